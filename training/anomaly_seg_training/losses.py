# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of the distillation."""

from __future__ import annotations

import torch
from torch.nn import functional

from anomaly_seg_ros.classes import IGNORE


def class_weights(counts: torch.Tensor) -> torch.Tensor:
    """Weight rare classes more: 1 / ln(1.03 + frequency), scaled to a mean of 1 over pixels.

    ENet's rule (Paszke et al. 2016), whose constant is 1.02.

    Args:
        counts: (C,) pixels per class.
    """
    frequency = counts.double() / counts.sum().clamp(min=1)
    weights = 1 / torch.log(1.03 + frequency)
    return (weights / (weights * frequency).sum().clamp(min=1e-12)).float()


def label_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted cross entropy, at half of the labels' resolution.

    Args:
        logits: (N, C, h / 4, w / 4).
        labels: (N, h, w) int64, 255 = ignore.
        weights: (C,).

    Returns:
        The mean over labelled pixels, 0 when there is none.
    """
    # Full resolution costs four times as much and moves only the outermost pixels of a class.
    labels = labels[:, 1::2, 1::2]
    logits = functional.interpolate(
        logits, labels.shape[-2:], mode='bilinear', align_corners=False
    )
    losses = functional.cross_entropy(
        logits, labels, weight=weights, ignore_index=IGNORE, reduction='sum'
    )
    return losses / (labels != IGNORE).sum().clamp(min=1)


def teacher_loss(
    logits: torch.Tensor,
    teacher: torch.Tensor,
    taught: torch.Tensor,
    weights: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Return T^2 KL(teacher || student) of softened predictions (Hinton et al. 2015).

    Args:
        logits: (N, C, h, w) of the student.
        teacher: (N, C, h, w) logits of the teacher.
        taught: (N, h, w) weight of each pixel, 0 where there is no teacher.
        weights: (C,) weight by the teacher's most likely class.
        temperature: T.

    Returns:
        The weighted sum divided by the sum of `taught`, 0 when that is 0.
    """
    target = (teacher / temperature).log_softmax(1)
    losses = functional.kl_div(
        (logits / temperature).log_softmax(1), target, reduction='none', log_target=True
    ).sum(1)
    pixel = taught * weights[teacher.argmax(1)]
    return temperature**2 * (losses * pixel).sum() / taught.sum().clamp(min=1)


def feature_loss(
    features: torch.Tensor, teacher: torch.Tensor, taught: torch.Tensor
) -> torch.Tensor:
    """Return the mean of 1 - cosine similarity of feature vectors.

    Args:
        features: (N, F, h, w) of the student, already in the teacher's space.
        teacher: (N, F, h, w).
        taught: (N, h, w) weight of each pixel.
    """
    losses = 1 - functional.cosine_similarity(features, teacher, dim=1)
    return (losses * taught).sum() / taught.sum().clamp(min=1)
