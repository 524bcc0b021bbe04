# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which forwards are drawn, and the fastest sampler that draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from anomaly_seg_ros.models.erfnet import ERFNet
from anomaly_seg_ros.oodmc.erfnet import (
    LAST,
    LAST_TRAINED,
    ErfnetCoarseSampler,
    ErfnetHeadSampler,
    ErfnetTailSampler,
)
from anomaly_seg_ros.oodmc.errors import OodmcError
from anomaly_seg_ros.oodmc.linear import ClassifierSampler, LinearSampler
from anomaly_seg_ros.oodmc.sampler import (
    HeadSampler,
    NaiveSampler,
    Sampler,
    check_count,
    check_layers,
    dropout_layers,
)

ALL = 'all'
DEFAULT_RATE = 0.3
"""For a layer whose own rate is 0: ERFNet's rate in its deep blocks."""


@dataclass(frozen=True)
class Sampling:
    """How one image's moments are taken.

    Args:
        rates: Dropout rate of each active layer, by its name in the network.
        samples: Stochastic forwards; 0 for the exact moments of infinitely many, where the
            dropout is followed by a linear layer alone.
        seed: Of the masks; the same for each image, so that a score depends on its image alone.
        pool: Average logits over squares of so many before the moments are taken.
        coarse: Repeat the decoder on features of half their resolution, which approximates the
            moments of order 2 and more; for ERFNet's last trained dropout alone.
        naive: Run the whole network for each sample, although a part could run once.
        batch_norm_in_training: Standardise by batch statistics, as a network in training mode;
            implies naive forwards.

    Raises:
        OodmcError: A number is out of range.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    samples: int = 128
    seed: int = 0
    pool: int = 1
    coarse: bool = False
    naive: bool = False
    batch_norm_in_training: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if self.samples != 0:
            check_count(self.samples)
        if self.pool not in (1, 2):
            msg = f'received pool={self.pool}, expected 1 or 2'
            raise OodmcError(msg)
        if self.seed < 0:
            msg = f'received the seed {self.seed}, expected 0 or larger'
            raise OodmcError(msg)


def default_layers(segmenter: nn.Module) -> tuple[str, ...]:
    """Return the dropout layers that are active unless others are asked for.

    Of those that a network was trained with, the one behind which least is left to repeat:
    that of ERFNet's last encoder block, or the dropout before the classifier. For other networks
    all layers with a rate.
    """
    known = dropout_layers(segmenter)
    if isinstance(segmenter, ERFNet):
        return (LAST_TRAINED,)
    return ('dropout',) if 'dropout' in known else tuple(n for n, rate in known.items() if rate)


def resolve(
    segmenter: nn.Module, layers: tuple[str, ...] = (), rate: float | None = None
) -> dict[str, float]:
    """Return the rates of the layers asked for.

    Args:
        segmenter: The network.
        layers: Names of dropout layers; ``('all',)`` for those with a rate above 0, the paper's
            choice; none for `default_layers`.
        rate: Of all these layers; each layer's own when None, or 0.3 where that is 0.

    Raises:
        OodmcError: A layer is no dropout layer, none is left, or the rate is out of range.
    """
    known = dropout_layers(segmenter)
    if layers == (ALL,):
        layers = tuple(name for name, own in known.items() if own > 0)
    names = layers or default_layers(segmenter)
    # An unknown layer gets any rate here: the check names it.
    own = {name: known.get(name, 0.0) or DEFAULT_RATE for name in names}
    rates = own if rate is None else dict.fromkeys(names, rate)
    check_layers(segmenter, rates)
    return rates


def create_sampler(segmenter: nn.Module, sampling: Sampling) -> Sampler[object]:
    """Return the fastest sampler of these forwards; but for `coarse` all give the same moments.

    Raises:
        OodmcError: A layer does not fit the network, or exact moments or coarse forwards are asked
            for where there are none.
    """
    sampler = _choose(segmenter, sampling)
    if sampling.samples == 0 and not isinstance(sampler, LinearSampler):
        msg = (
            'exact moments (0 samples) exist only for channel dropout in front of a linear last '
            f'layer, received the layers {", ".join(sampling.rates)}: ask for 1 or more samples'
        )
        raise OodmcError(msg)
    return sampler


def _choose(segmenter: nn.Module, sampling: Sampling) -> Sampler[object]:
    rates, pool = dict(sampling.rates), sampling.pool
    check_layers(segmenter, rates)
    sampler: Sampler[object]
    if sampling.naive or sampling.batch_norm_in_training:
        sampler = NaiveSampler(
            segmenter, rates, pool=pool, batch_norm_in_training=sampling.batch_norm_in_training
        )  # type: ignore[assignment]
    elif sampling.coarse:
        sampler = _coarse(segmenter, rates)  # type: ignore[assignment]
    elif isinstance(segmenter, ERFNet):
        if set(rates) == {LAST}:
            sampler = ErfnetHeadSampler(segmenter, rates[LAST], pool)  # type: ignore[assignment]
        else:
            sampler = ErfnetTailSampler(segmenter, rates, pool)  # type: ignore[assignment]
    elif set(rates) == {'dropout'} and pool == 1 and ClassifierSampler.fits(segmenter):
        sampler = ClassifierSampler(segmenter, rates['dropout'])  # type: ignore[assignment]
    elif set(rates) == {'dropout'} and pool == 1 and _has_head(segmenter):
        sampler = HeadSampler(segmenter, rates['dropout'])  # type: ignore[assignment]
    else:
        sampler = NaiveSampler(segmenter, rates, pool=pool)  # type: ignore[assignment]
    return sampler


def _coarse(segmenter: nn.Module, rates: Mapping[str, float]) -> ErfnetCoarseSampler:
    if not isinstance(segmenter, ERFNet) or set(rates) != {LAST_TRAINED}:
        msg = (
            f'coarse forwards exist only for the layer {LAST_TRAINED} of ERFNet, received '
            f'{", ".join(rates)} of {type(segmenter).__name__}: ask for whole ones'
        )
        raise OodmcError(msg)
    return ErfnetCoarseSampler(segmenter, rates[LAST_TRAINED])


def _has_head(segmenter: nn.Module) -> bool:
    return all(hasattr(segmenter, name) for name in ('features', 'classify'))


def moment_stack(
    sampler: Sampler[object],
    sampling: Sampling,
    image: Tensor,
    order: int,
    *,
    softmax: bool = False,
) -> Tensor:
    """Return mean and central moments of one image's logits.

    Args:
        sampler: What `create_sampler` gave for `sampling`.
        sampling: How.
        image: (1, 3, H, W), preprocessed.
        order: Highest order, 1 to 4.
        softmax: Of softmax probabilities instead of logits.

    Returns:
        (order, C, h, w), at a fixed fraction of the image's resolution.

    Raises:
        OodmcError: Logits are NaN or infinite, or there are no exact moments of probabilities.
    """
    if sampling.samples == 0:
        if softmax:
            msg = (
                'exact moments (0 samples) exist for logits only, received softmax: '
                'ask for 1 or more samples'
            )
            raise OodmcError(msg)
        assert isinstance(sampler, LinearSampler)
        return sampler.exact(sampler.prepare(image), order)
    prepared = sampler.prepare(image)
    moments = sampler.moments(prepared, order, sampling.seed, sampling.samples, softmax=softmax)
    return sampler.finish(prepared, moments, softmax=softmax)
