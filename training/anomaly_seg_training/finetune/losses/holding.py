# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What holds a network at its own predictions."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from anomaly_seg_training.finetune.losses.base import mean, rows_of


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
    now, then = rows_of(logits, held), rows_of(start, held)
    divergence = functional.kl_div(
        (now / temperature).log_softmax(1),
        (then / temperature).log_softmax(1),
        reduction='sum',
        log_target=True,
    )
    return temperature**2 * divergence / max(len(now), 1), mean((now - then).square())
