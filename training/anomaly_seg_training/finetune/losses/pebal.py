# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Energy-biased abstention."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from anomaly_seg_training.finetune.losses.base import OOD_LOSSES, OodLoss, is_known, mean, rows_of
from anomaly_seg_training.finetune.losses.energy import EnergyHinge


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
        bets = rows_of(self._bets(logits), known)
        return mean(-bets.gather(1, labels[known][:, None]))

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the gambler's loss on unknown pixels and the terms on energies."""
        classes = logits[:, :-1]
        energies = -classes.logsumexp(1)
        loss = self.hinge.unknown(classes, labels, ood)
        if ood.any():
            loss = loss + self.sparsity * energies[ood].norm()
        steps = energies.diff(dim=1).square().sum() + energies.diff(dim=2).square().sum()
        loss = self.energy_weight * (loss + self.smoothness * 0.5 * steps)
        bets = rows_of(self._bets(logits), ood)
        return loss - self.gambler_weight * mean(bets.clamp(min=math.log(1e-7)))

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
    # Mixed precision would round the rewards to 8 bits here, of all places in the loss.
    with torch.autocast(values.device.type, enabled=False):
        rows = functional.conv2d(padded, line.view(1, 1, 1, 7))
        return functional.conv2d(rows, line.view(1, 1, 7, 1))[:, 0]
