# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What fine-tuning minimises: known pixels keep their class, unknown ones get none.

All losses see the logits of one grid of pixels. Sums and means are over pixels of all images.

>>> from anomaly_seg_training.finetune.losses import OOD_LOSSES
>>> OOD_LOSSES.names()
['topk_ovr', 'ovr', 'uniform', 'kl', 'entropy_ratio', 'energy', 'maxent', 'pebal']
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.registry import Registry
from anomaly_seg_training.recipe_file import RecipeError


class OodLoss(ABC):
    """A loss on known pixels and one on unknown pixels, to be added with a weight.

    The arguments of both are `logits` (N, C + `extra_outputs`, h, w), `labels` (N, h, w) int64
    with 255 = ignore, and `ood` (N, h, w) bool, True on unknown pixels, whose label is ignored.
    Both return a scalar, and 0, with a gradient of 0, where there is no pixel of their kind.
    """

    extra_outputs = 0
    """Outputs beside the classes that the loss trains; they are not exported."""

    def known(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the loss on labelled pixels: their mean cross entropy, unless overridden."""
        return cross_entropy(logits, labels, ood)

    @abstractmethod
    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the loss that unknown pixels bring."""


OOD_LOSSES: Registry[type[OodLoss]] = Registry('OoD loss')


def create_loss(name: str, options: Mapping[str, Any]) -> OodLoss:
    """Make a loss of `OOD_LOSSES` from a recipe's options.

    Raises:
        KeyError: The name is unknown; the message lists the names that exist.
        RecipeError: An option is unknown or out of range.
    """
    factory = OOD_LOSSES.get(name)
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        msg = f"recipe key 'loss_options': {name} cannot take {dict(options)!r}: {error}"
        raise RecipeError(msg) from error


def is_known(labels: Tensor, ood: Tensor) -> Tensor:
    """Return where a pixel has a label and shows no unknown object."""
    return (labels != IGNORE) & ~ood


def cross_entropy(logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
    """Return the mean cross entropy over labelled pixels that show nothing unknown."""
    known = is_known(labels, ood)
    return _cross_entropy_sum(logits, labels, known) / known.sum().clamp(min=1)


def _cross_entropy_sum(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    target = labels.masked_fill(~known, IGNORE)
    return functional.cross_entropy(logits, target, ignore_index=IGNORE, reduction='sum')


def _rows(logits: Tensor, where: Tensor) -> Tensor:
    """Return the logits (P, C) of the P pixels where `where` (N, h, w) is True."""
    return logits.permute(0, 2, 3, 1)[where]


def _mean(values: Tensor) -> Tensor:
    """Return the mean, 0 of nothing."""
    return values.sum() / max(values.numel(), 1)


def _require(good: bool, what: str) -> None:
    if not good:
        raise ValueError(what)


@OOD_LOSSES.register('topk_ovr')
class TopKOvR(OodLoss):
    """One vs. rest against the K largest logits of unknown pixels.

    Mean over unknown pixels of 1 / K sum over the K largest logits z of -log sigmoid(-s z).
    Zhang et al., Anomaly-Aware Semantic Segmentation via Style-Aligned OoD Augmentation, 2023,
    equation 1.

    Args:
        k: Logits per pixel, 1 to C.
        slope: s, more than 0.
    """

    def __init__(self, k: int = 5, slope: float = 2.0) -> None:
        _require(k >= 1, f'k is {k}, expected at least 1')
        _require(slope > 0, f'slope is {slope}, expected more than 0')
        self.k: int | None = k
        self.slope = slope

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return equation 1.

        Raises:
            RecipeError: There are fewer than K classes.
        """
        del labels
        rows = _rows(logits, ood)
        k = rows.shape[1] if self.k is None else self.k
        if k > rows.shape[1]:
            msg = (
                f"recipe key 'loss_options': received k = {k} for a segmenter of "
                f'{rows.shape[1]} classes, expected at most as many'
            )
            raise RecipeError(msg)
        # -log sigmoid(-x) = softplus(x)
        return _mean(functional.softplus(self.slope * rows.topk(k, 1).values))


@OOD_LOSSES.register('ovr')
class OvR(TopKOvR):
    """One vs. rest against all logits: `TopKOvR` with K = C.

    Args:
        slope: s, more than 0.
    """

    def __init__(self, slope: float = 2.0) -> None:
        super().__init__(1, slope)
        self.k = None


@OOD_LOSSES.register('uniform')
class Uniform(OodLoss):
    """Cross entropy of unknown pixels with the uniform distribution, mean over them.

    Hendrycks et al., Deep Anomaly Detection with Outlier Exposure, ICLR 2019.
    """

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the mean of -1 / C sum log softmax, at least ln C where there are pixels."""
        del labels
        return _mean(-_rows(logits, ood).log_softmax(1).mean(1))


def divergence_from_uniform(rows: Tensor) -> Tensor:
    """Return ln N - H(softmax), the KL divergence from the softmax to the uniform distribution.

    Args:
        rows: (P, N) logits.

    Returns:
        (P,) from 0, exactly, where all logits are equal, to ln N where one of them rules.
    """
    below = rows - rows.amax(1, keepdim=True).detach()
    weights = below.exp()
    total = weights.sum(1)
    # The mean of ones is one and its logarithm zero, without a rounding that ln N would have.
    return (weights * below).sum(1) / total - (total / rows.shape[1]).log()


@OOD_LOSSES.register('kl')
class Kl(OodLoss):
    """KL divergence from the uniform distribution to the softmax of unknown pixels, mean of them.

    -sum z log(S / z) with z = 1 / N: `Uniform` less ln N, so that 0 is its least value. Lu et al.,
    Anomaly-Aware Semantic Segmentation by Leveraging Synthetic-Unknown Data, 2021, equation 4.
    """

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return equation 4; exactly 0 where all logits of a pixel are equal."""
        del labels
        rows = _rows(logits, ood)
        below = rows - rows.amax(1, keepdim=True).detach()
        return _mean((below.exp().sum(1) / rows.shape[1]).log() - below.mean(1))


@OOD_LOSSES.register('entropy_ratio')
class EntropyRatio(OodLoss):
    """(ln N + r) / (H + r) - 1 of unknown pixels, with H the entropy of the softmax; their mean.

    0 where all classes are equally likely and, with r = 0.01 ln N, 100 where one is certain. Its
    gradient grows with 1 / (H + r)^2: the first steps on pixels of which the network is certain
    need a `gradient_clip`. Lu et al. 2021, equation 6.

    Args:
        share: r / ln N, more than 0; 0.01 in the paper.
    """

    def __init__(self, share: float = 0.01) -> None:
        _require(share > 0, f'share is {share}, expected more than 0')
        self.share = share

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return equation 6; exactly 0 where all logits of a pixel are equal.

        Raises:
            RecipeError: There is one class, whose entropy is always 0.
        """
        del labels
        rows = _rows(logits, ood)
        if rows.shape[1] < 2:
            msg = "recipe key 'loss': received entropy_ratio for one class, expected at least 2"
            raise RecipeError(msg)
        most = math.log(rows.shape[1])
        missing = divergence_from_uniform(rows)
        # (ln N + r - H - r) / (H + r): a difference of equals would not be exactly 0.
        return _mean(missing / (most - missing + self.share * most))


@OOD_LOSSES.register('energy')
class EnergyHinge(OodLoss):
    """Squared hinges that push energies of known pixels down and of unknown ones up.

    With E = -ln sum exp z: the mean over known pixels of max(0, E - m_in)^2 and the mean over
    unknown pixels of max(0, m_out - E)^2, halved when there are both (Tian et al., PEBAL, ECCV
    2022, after Liu et al., NeurIPS 2020). Without unknown pixels the first alone remains.

    Args:
        m_in: Energy below which a known pixel is left alone.
        m_out: Energy above which an unknown pixel is. Both belong to the scale of a network's
            logits: look at its energies first.
    """

    def __init__(self, m_in: float = -12.0, m_out: float = -6.0) -> None:
        _require(m_in <= m_out, f'm_in {m_in} is more than m_out {m_out}')
        self.m_in = m_in
        self.m_out = m_out

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return both hinges; the first concerns known pixels, but is there for the unknown."""
        energies = -logits.logsumexp(1)
        inside = _mean((energies[is_known(labels, ood)] - self.m_in).relu().square())
        if not ood.any():
            return inside
        outside = _mean((self.m_out - energies[ood]).relu().square())
        return 0.5 * (inside + outside)


@OOD_LOSSES.register('energy_logistic')
class EnergyLogistic(OodLoss):
    """Logistic regression of known against unknown on the energy E = -ln sum exp z.

    The mean over known pixels of softplus(E - centre), the mean over unknown pixels of
    softplus(centre - E), and `hard_weight` times the first over the `hard_share` of the known
    pixels with the highest energy: a few normal pixels that look unknown cost more precision
    than all others together. (Logistic energies: Du et al., VOS, ICLR 2022.)

    Args:
        centre: Energy at which both are as likely: 0 for the log odds of an `UnknownStream`;
            otherwise between the network's own energies of known and of unknown pixels, so that it
            need not move both.
        hard_share: More than 0, at most 1.
        hard_weight: 0 or more.
        known_weight: Weight of the mean over all known pixels, 0 or more.
    """

    def __init__(
        self,
        centre: float = 0.0,
        hard_share: float = 0.02,
        hard_weight: float = 0.5,
        known_weight: float = 1.0,
    ) -> None:
        _require(0 < hard_share <= 1, f'hard_share is {hard_share}, expected 0 to 1')
        _require(min(hard_weight, known_weight) >= 0, 'weights below 0, expected 0 or more')
        self.centre = centre
        self.hard_share = hard_share
        self.hard_weight = hard_weight
        self.known_weight = known_weight

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return all three parts; those of known pixels are there for the unknown."""
        energies = -logits.logsumexp(1) - self.centre
        inside = functional.softplus(energies[is_known(labels, ood)])
        loss = self.known_weight * _mean(inside)
        hard = math.ceil(self.hard_share * inside.numel())
        if self.hard_weight and hard:
            loss = loss + self.hard_weight * inside.topk(hard).values.mean()
        return loss + _mean(functional.softplus(-energies[ood]))


@OOD_LOSSES.register('maxent')
class MaxEnt(OodLoss):
    """Cross entropy with the truth on known pixels, with the uniform distribution on unknown ones.

    Weights 1 - alpha and alpha, one mean over all pixels of both kinds (Chan et al., Entropy
    Maximization and Meta Classification, ICCV 2021; the mean is that of their code, which also
    divides by the number of classes).

    Args:
        alpha: Weight of unknown pixels, 0 to 1.
    """

    def __init__(self, alpha: float = 0.9) -> None:
        _require(0 <= alpha <= 1, f'alpha is {alpha}, expected 0 to 1')
        self.alpha = alpha

    def known(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the part of known pixels."""
        known = is_known(labels, ood)
        total = (known | ood).sum().clamp(min=1)
        return (1 - self.alpha) * _cross_entropy_sum(logits, labels, known) / total

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the part of unknown pixels."""
        total = (is_known(labels, ood) | ood).sum().clamp(min=1)
        return -self.alpha * _rows(logits, ood).log_softmax(1).mean(1).sum() / total


@OOD_LOSSES.register('pebal')
class Pebal(OodLoss):
    """Energy-biased abstention: an extra class whose price falls with a pixel's energy.

    Tian et al., Pixel-wise Energy-biased Abstention Learning for Anomaly Segmentation, ECCV 2022.
    With p the softmax over C + 1 outputs, a its last entry and the reward R the squared log sum
    exp of the C logits, blurred (7x7, deviation 1):

    known pixels: mean of -log(p_y + a / R)
    unknown pixels: mean over pixels and classes of -log max(p_c + a / R, 1e-7), times
    `gambler_weight`; plus `energy_weight` times the sum of the hinges of `EnergyHinge`,
    `sparsity` times the Euclidean norm of all unknown pixels' energies, and `smoothness` times
    half of the summed squared differences of neighbouring energies. The last two grow with the
    crop, as in the paper's code.

    Args:
        m_in: See `EnergyHinge`.
        m_out: See `EnergyHinge`.
        gambler_weight: See above.
        energy_weight: See above.
        sparsity: See above.
        smoothness: See above.
    """

    extra_outputs = 1

    def __init__(
        self,
        m_in: float = -12.0,
        m_out: float = -6.0,
        gambler_weight: float = 0.1,
        energy_weight: float = 0.1,
        sparsity: float = 5e-4,
        smoothness: float = 3e-6,
    ) -> None:
        self.hinge = EnergyHinge(m_in, m_out)
        self.gambler_weight = gambler_weight
        self.energy_weight = energy_weight
        self.sparsity = sparsity
        self.smoothness = smoothness

    def known(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the gambler's loss on known pixels."""
        known = is_known(labels, ood)
        bets = _rows(self._bets(logits), known)
        return _mean(-bets.gather(1, labels[known][:, None]))

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the gambler's loss on unknown pixels and the terms on energies."""
        classes = logits[:, :-1]
        energies = -classes.logsumexp(1)
        loss = self.hinge.unknown(classes, labels, ood)
        if ood.any():
            loss = loss + self.sparsity * energies[ood].norm()
        steps = energies.diff(dim=1).square().sum() + energies.diff(dim=2).square().sum()
        loss = self.energy_weight * (loss + self.smoothness * 0.5 * steps)
        bets = _rows(self._bets(logits), ood)
        return loss - self.gambler_weight * _mean(bets.clamp(min=math.log(1e-7)))

    @staticmethod
    def _bets(logits: Tensor) -> Tensor:
        """Return log(p_c + a / R), (N, C, h, w); sums of logarithms do not run out of digits."""
        reward = _blur(logits[:, :-1].logsumexp(1).square()).clamp(min=1e-6)
        shares = logits.log_softmax(1)
        return torch.logaddexp(shares[:, :-1], shares[:, -1:] - reward[:, None].log())


def _blur(values: Tensor) -> Tensor:
    """Blur (N, h, w) by a Gaussian of 7x7 pixels and deviation 1; borders are repeated."""
    places = torch.arange(-3, 4, dtype=values.dtype, device=values.device)
    line = torch.exp(-places.square() / 2)
    line = line / line.sum()
    padded = functional.pad(values[:, None], (3, 3, 3, 3), mode='replicate')
    rows = functional.conv2d(padded, line.view(1, 1, 1, 7))
    return functional.conv2d(rows, line.view(1, 1, 7, 1))[:, 0]


def hold_loss(
    logits: Tensor, start: Tensor, held: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return how far predictions have moved from those of the network at the start.

    Args:
        logits: (N, C, h, w).
        start: (N, C, h, w) logits of the frozen start.
        held: (N, h, w) bool, where predictions are to stay.
        temperature: T of the first term.

    Returns:
        The mean over held pixels of T^2 KL(start || now) of softened predictions (Hinton et al.
        2015), and the mean squared difference of their logits; both 0 without such pixels.
    """
    now, then = _rows(logits, held), _rows(start, held)
    divergence = functional.kl_div(
        (now / temperature).log_softmax(1),
        (then / temperature).log_softmax(1),
        reduction='sum',
        log_target=True,
    )
    return temperature**2 * divergence / max(len(now), 1), _mean((now - then).square())
