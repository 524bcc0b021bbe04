# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resampling by a small low-pass filter, as StyleGAN2 does it."""

from __future__ import annotations

import torch
from torch.nn import functional

TAPS = (1.0, 3.0, 3.0, 1.0)
"""A binomial filter; its outer product, of sum 1, is the blur."""


def blur(
    images: torch.Tensor, pad: tuple[int, int], gain: float = 1.0, stride: int = 1
) -> torch.Tensor:
    """Filter every channel with the blur.

    Args:
        images: (N, C, h, w).
        pad: Zeros before and after, in both directions; negative ones crop.
        gain: Sum of the filter.
        stride: Of the pixels that are kept.

    Returns:
        (N, C, h', w') with ``h' = (h + sum(pad) - 4) // stride + 1``.
    """
    taps = torch.tensor(TAPS, dtype=images.dtype, device=images.device)
    kernel = taps[:, None] * taps * (gain / taps.sum() ** 2)
    channels = images.shape[1]
    padded = functional.pad(images, (*pad, *pad))
    return functional.conv2d(
        padded, kernel.expand(channels, 1, 4, 4), stride=stride, groups=channels
    )


def upsample(images: torch.Tensor) -> torch.Tensor:
    """Double both sides: zeros between pixels, then the blur with gain 4.

    Args:
        images: (N, C, h, w).

    Returns:
        (N, C, 2 h, 2 w).
    """
    number, channels, height, width = images.shape
    spread = images.new_zeros(number, channels, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = images
    return blur(spread.view(number, channels, 2 * height, 2 * width), (2, 1), 4.0)


def downsample(images: torch.Tensor) -> torch.Tensor:
    """Halve both sides: the blur, then every second pixel.

    Args:
        images: (N, C, h, w), both sides even.

    Returns:
        (N, C, h / 2, w / 2).
    """
    return blur(images, (1, 1), stride=2)
