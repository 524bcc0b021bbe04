# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses on the energy of pixels."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from anomaly_seg_training.finetune.losses.base import (
    OOD_LOSSES,
    OodLoss,
    is_known,
    mean,
    require_option,
)


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
        require_option(m_in <= m_out, f'm_in {m_in} is more than m_out {m_out}')
        self.m_in = m_in
        self.m_out = m_out

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return both hinges; the first concerns known pixels, but is there for the unknown."""
        energies = -logits.logsumexp(1)
        inside = mean((energies[is_known(labels, ood)] - self.m_in).relu().square())
        if not ood.any():
            return inside
        outside = mean((self.m_out - energies[ood]).relu().square())
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
        require_option(0 < hard_share <= 1, f'hard_share is {hard_share}, expected 0 to 1')
        require_option(min(hard_weight, known_weight) >= 0, 'weights below 0, expected 0 or more')
        self.centre = centre
        self.hard_share = hard_share
        self.hard_weight = hard_weight
        self.known_weight = known_weight

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return all three parts; those of known pixels are there for the unknown."""
        energies = -logits.logsumexp(1) - self.centre
        inside = functional.softplus(energies[is_known(labels, ood)])
        loss = self.known_weight * mean(inside)
        hard = math.ceil(self.hard_share * inside.numel())
        if self.hard_weight and hard:
            loss = loss + self.hard_weight * inside.topk(hard).values.mean()
        return loss + mean(functional.softplus(-energies[ood]))
