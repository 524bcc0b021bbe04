# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What generator, discriminator and encoder are trained on."""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def discriminator_loss(real: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """Return the logistic loss of logits (N,) each, high for frames."""
    return functional.softplus(-real).mean() + functional.softplus(drawn).mean()


def generator_loss(drawn: torch.Tensor) -> torch.Tensor:
    """Return the non-saturating logistic loss of logits (N,)."""
    return functional.softplus(-drawn).mean()


def r1_penalty(logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return the mean squared norm of the logits' gradients (Mescheder et al. 2018).

    Args:
        logits: (N,), of `images`.
        images: (N, 3, H, W), frames, with a gradient.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def path_lengths(
    pictures: torch.Tensor, codes: torch.Tensor, directions: torch.Tensor
) -> torch.Tensor:
    """Return how far pictures move with their codes (equation 4 of StyleGAN2), (N,).

    Args:
        pictures: (N, 3, H, W), drawn from `codes`.
        codes: (N, layers, size), with a gradient.
        directions: (N, 3, H, W) of N(0, 1).
    """
    scaled = directions / math.sqrt(pictures.shape[2] * pictures.shape[3])
    (gradient,) = torch.autograd.grad((pictures * scaled).sum(), codes, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def noise_divergence(maps: torch.Tensor) -> torch.Tensor:
    """Return KL(N(m, v) || N(0, 1)) with a noise map's mean m and variance v, the mean of all.

    Args:
        maps: (N, 1, h, w).
    """
    mean = maps.mean((1, 2, 3))
    variance = maps.var((1, 2, 3), correction=0).clamp(min=1e-6)
    return 0.5 * (mean.square() + variance - 1 - variance.log()).mean()


def masked_error(
    first: torch.Tensor, second: torch.Tensor, mask: torch.Tensor, power: int = 2
) -> torch.Tensor:
    """Return the mean error to a power of the pixels outside of a mask.

    Args:
        first: (N, 3, H, W).
        second: (N, 3, H, W).
        mask: (N, 1, H, W), 1 on pixels that do not count.
        power: 1 or 2.
    """
    kept = 1 - mask
    error = ((first - second).abs() ** power).mean(1, keepdim=True) * kept
    return error.sum() / kept.sum().clamp(min=1)
