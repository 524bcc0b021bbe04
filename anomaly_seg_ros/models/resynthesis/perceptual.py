# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The perceptual difference of two images, pixel by pixel (equation 3 of SynBoost)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from anomaly_seg_ros.models.base import ModelError

WEIGHTINGS = ('published', 'equation')


def level_weights(weighting: str, levels: int) -> list[float]:
    """Return the weight of each level's mean absolute difference; they add up to 1.

    Args:
        weighting: ``published``: 1/32, 1/16, 1/8, 1/4, 1 from fine to coarse, as the authors'
            program has it (the weights of pix2pixHD's loss); fewer levels take the coarsest of
            them. ``equation``: 1/M with M the elements of a level's features, which are a
            fourth from one level to the next, channels apart: 1, 4, 16, 64, 256.
        levels: How many there are, 1 to 5.

    Raises:
        ModelError: The weighting is unknown.
    """
    if weighting not in WEIGHTINGS:
        msg = (
            f'received the weighting {weighting!r} of perceptual differences, expected one of: '
            f'{", ".join(WEIGHTINGS)}'
        )
        raise ModelError(msg)
    if weighting == 'published':
        weights = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0][-levels:]
    else:
        weights = [4.0**level for level in range(levels)]
    return [weight / sum(weights) for weight in weights]


def perceptual_difference(
    first: Sequence[torch.Tensor],
    second: Sequence[torch.Tensor],
    weighting: str = 'published',
) -> torch.Tensor:
    """Return how much the features of two images differ.

    At each level the mean over the channels of the absolute difference; levels are brought to the
    size of the finest one, bilinear, and added up by `level_weights`.

    Args:
        first: Features of one image, from fine to coarse, (N, C, h, w) each.
        second: Features of the other one, of the same shapes.
        weighting: See `level_weights`.

    Returns:
        (N, 1, H, W) at least 0, at the size of the finest level.

    Raises:
        ModelError: The weighting is unknown, or the features do not fit together.
    """
    if len(first) != len(second) or not first:
        msg = f'received {len(first)} and {len(second)} levels of features, expected equal numbers'
        raise ModelError(msg)
    size = first[0].shape[2:]
    total = torch.zeros(())
    for weight, one, other in zip(
        level_weights(weighting, len(first)), first, second, strict=True
    ):
        level = (one - other).abs().mean(1, keepdim=True) * weight
        if level.shape[2:] != size:
            level = functional.interpolate(level, size, mode='bilinear', align_corners=False)
        total = total.to(level) + level
    return total
