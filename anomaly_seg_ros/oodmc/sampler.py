# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stochastic forwards: what they are, and the naive way to run them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, TypeVar

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from anomaly_seg_ros.oodmc.errors import OodmcError
from anomaly_seg_ros.oodmc.masks import check_rate, draw
from anomaly_seg_ros.oodmc.moments import Moments

BATCH = 4
"""Samples at a time; bounds memory and changes no result."""

P = TypeVar('P')


class Sampler(ABC, Generic[P]):
    """A segmenter in two parts: one that runs once per image, one that every sample repeats.

    Attributes:
        num_classes: Channels of the logits, C.
        stride: Input pixels per logit in each direction.
    """

    num_classes: int
    stride: int

    @abstractmethod
    def prepare(self, image: Tensor) -> P:
        """Run the deterministic part on one image (1, 3, H, W), preprocessed."""

    @abstractmethod
    def draw(self, prepared: P, seed: int, first: int, count: int) -> Tensor:
        """Run the stochastic part for the samples `first` to `first + count - 1`.

        Returns:
            (count, C, H / stride, W / stride) logits; sample i depends on seed and i alone.
        """

    def moments(
        self,
        prepared: P,
        order: int,
        seed: int,
        count: int,
        *,
        first: int = 0,
        softmax: bool = False,
        batch: int = BATCH,
    ) -> Moments:
        """Return the moments of some samples' logits, (C, H / stride, W / stride) per order.

        Args:
            prepared: What `prepare` gave.
            order: Highest order, 1 to 4.
            seed: Of the masks, 0 or larger.
            count: Number of samples.
            first: Number of the first sample; the moments of 0..15 and of 16..63 merge to those
                of 0..63.
            softmax: Take the moments of softmax probabilities instead of logits.
            batch: Samples at a time.

        Raises:
            OodmcError: Logits are NaN or infinite, or a number is out of range.
        """
        check_count(count)
        moments = Moments(order)
        for start in range(first, first + count, batch):
            samples = self.draw(prepared, seed, start, min(batch, first + count - start))
            moments.update(samples.float().softmax(1) if softmax else samples)
        return moments

    def finish(self, prepared: P, moments: Moments, *, softmax: bool = False) -> Tensor:
        """Return what features are made of: mean and central moments, (order, C, h, w).

        Args:
            prepared: What `prepare` gave.
            moments: What `moments` gave, merged from as many parts as there are.
            softmax: Whether they are those of probabilities.
        """
        del prepared, softmax
        return moments.stack()


def check_count(count: int) -> None:
    """Refuse to make no sample.

    Raises:
        OodmcError: `count` is below 1.
    """
    if count < 1:
        msg = f'received {count} samples, expected at least 1'
        raise OodmcError(msg)


def dropout_layers(segmenter: nn.Module) -> dict[str, float]:
    """Return the rate of every dropout layer by its name, also of those with rate 0."""
    return {
        name: float(module.p)
        for name, module in segmenter.named_modules()
        if isinstance(module, _DropoutNd)
    }


class NaiveSampler(Sampler[Tensor]):
    """Every sample is a forward of the whole network: the paper's way, and the reference.

    Args:
        segmenter: Any segmenter in evaluation mode.
        rates: Dropout rate by the name of the layer, for the layers that are to be active.
        pool: Average the logits over squares of so many, to compare with a coarser sampler.
        batch_norm_in_training: Standardise by the statistics of each batch of samples, as the
            paper's networks in training mode do; the running statistics stay as they are. The
            result then depends on the batch size.

    Raises:
        OodmcError: A layer is no dropout layer of the network, or a rate is out of range.
    """

    def __init__(
        self,
        segmenter: nn.Module,
        rates: Mapping[str, float],
        *,
        pool: int = 1,
        batch_norm_in_training: bool = False,
    ) -> None:
        check_layers(segmenter, rates)
        self.segmenter = segmenter
        self.rates = dict(rates)
        self.pool = pool
        self.batch_norm_in_training = batch_norm_in_training
        about: Any = segmenter
        self.num_classes = int(about.num_classes)
        self.stride = int(about.stride) * pool

    def prepare(self, image: Tensor) -> Tensor:
        """Return the image: nothing runs only once."""
        return image

    def draw(self, prepared: Tensor, seed: int, first: int, count: int) -> Tensor:
        """Run the network on `count` copies of the image; see `Sampler.draw`."""
        with ExitStack() as stack:
            stack.enter_context(active(self.segmenter, self.rates, seed, first, count))
            if self.batch_norm_in_training:
                stack.enter_context(_batch_statistics(self.segmenter))
            logits: Tensor = self.segmenter(prepared.expand(count, -1, -1, -1))
        return functional.avg_pool2d(logits, self.pool) if self.pool > 1 else logits


class HeadSampler(Sampler[Tensor]):
    """Only what follows the features is repeated: `segmenter.classify` with its `dropout`.

    Args:
        segmenter: Has ``features(image)['4']``, ``classify(features)`` and ``dropout``.
        rate: Of the dropout.
    """

    def __init__(self, segmenter: Any, rate: float) -> None:
        check_rate(rate, 'dropout')
        self.segmenter = segmenter
        self.rate = rate
        self.num_classes = int(self.segmenter.num_classes)
        self.stride = int(self.segmenter.stride)

    def prepare(self, image: Tensor) -> Tensor:
        """Return the features before the dropout."""
        features: Tensor = self.segmenter.features(image)['4']
        return features

    def draw(self, prepared: Tensor, seed: int, first: int, count: int) -> Tensor:
        """Classify `count` copies of the features; see `Sampler.draw`."""
        with active(self.segmenter, {'dropout': self.rate}, seed, first, count):
            logits: Tensor = self.segmenter.classify(prepared.expand(count, -1, -1, -1))
        return logits


def check_layers(segmenter: nn.Module, rates: Mapping[str, float]) -> None:
    """Refuse layers that cannot be active.

    Raises:
        OodmcError: There is none, one is no dropout layer, or a rate is out of range.
    """
    known = dropout_layers(segmenter)
    if not rates:
        msg = (
            'no dropout layer is active, so all forwards are equal: '
            f'choose some of {", ".join(known) or "(the network has none)"}'
        )
        raise OodmcError(msg)
    for layer, rate in rates.items():
        if layer not in known:
            msg = (
                f'{layer!r} is no dropout layer of {type(segmenter).__name__}, '
                f'expected some of {", ".join(known) or "(it has none)"}'
            )
            raise OodmcError(msg)
        check_rate(rate, layer)


@contextmanager
def active(
    segmenter: nn.Module, rates: Mapping[str, float], seed: int, first: int, count: int
) -> Iterator[None]:
    """Let dropout layers multiply by the masks of samples `first`..., one per batch element.

    The layers themselves stay in evaluation mode, where they pass their input on.
    """
    with ExitStack() as stack:
        for layer, rate in rates.items():
            module = segmenter.get_submodule(layer)
            # Channel dropout: one number per channel. Plain dropout: one per element.
            whole_channels = not isinstance(module, nn.Dropout)

            def multiply(
                module: nn.Module,
                inputs: tuple[Any, ...],
                output: Tensor,
                layer: str = layer,
                rate: float = rate,
                whole_channels: bool = whole_channels,
            ) -> Tensor:
                del module, inputs
                shape = tuple(output.shape[1:])
                if whole_channels:
                    shape = (shape[0], *(1 for _ in shape[1:]))
                return output * draw(seed, layer, first, count, shape, rate).to(output)

            handle = module.register_forward_hook(multiply)
            stack.callback(handle.remove)
        yield


@contextmanager
def _batch_statistics(segmenter: nn.Module) -> Iterator[None]:
    """Let batch norms use their batch's statistics without recording them."""
    norms = [m for m in segmenter.modules() if isinstance(m, _BatchNorm)]
    before = [(norm.training, norm.track_running_stats) for norm in norms]
    try:
        for norm in norms:
            norm.training, norm.track_running_stats = True, False
        yield
    finally:
        for norm, (training, tracked) in zip(norms, before, strict=True):
            norm.training, norm.track_running_stats = training, tracked
