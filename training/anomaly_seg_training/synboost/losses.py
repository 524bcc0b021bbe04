# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What synthesis is trained on (SPADE, section 3; pix2pixHD, equations 4 to 6)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from anomaly_seg_ros.models.resynthesis.perceptual import level_weights
from anomaly_seg_training.adversarial import hinge_discriminator_loss
from anomaly_seg_training.synboost.discriminators import Judgement


def judge_loss(real: Judgement, drawn: Judgement) -> torch.Tensor:
    """Return the hinge loss of the discriminator, the mean of its scales."""
    losses = [
        hinge_discriminator_loss(one, other)
        for one, other in zip(real.logits, drawn.logits, strict=True)
    ]
    return torch.stack(losses).mean()


def adversarial_loss(drawn: Judgement) -> torch.Tensor:
    """Return the generator's side of the hinge loss, the mean of all scales."""
    return -torch.stack([logits.mean() for logits in drawn.logits]).mean()


def feature_loss(real: Judgement, drawn: Judgement) -> torch.Tensor:
    """Return the mean absolute difference of the discriminator's features.

    The mean of each level, summed over levels, the mean of all scales; photos give no gradient.
    """
    scales = []
    for ones, others in zip(real.features, drawn.features, strict=True):
        parts = [
            (one.detach() - other).abs().mean() for one, other in zip(ones, others, strict=True)
        ]
        scales.append(torch.stack(parts).sum())
    return torch.stack(scales).mean()


def perceptual_loss(real: Sequence[torch.Tensor], drawn: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the weighted mean absolute difference of a perceptual network's features."""
    weights = level_weights('published', len(real))
    parts = [
        weight * (one.detach() - other).abs().mean()
        for weight, one, other in zip(weights, real, drawn, strict=True)
    ]
    return torch.stack(parts).sum()


def style_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Return KL(N(mean, exp(log variance)) || N(0, 1)), summed over a style, mean of the batch.

    Args:
        mean: (N, styles).
        log_variance: (N, styles).
    """
    parts = mean.square() + log_variance.exp() - 1 - log_variance
    return 0.5 * parts.sum(1).mean()
