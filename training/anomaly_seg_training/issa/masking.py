# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masked noise: the encoder may not rely on its noise maps everywhere (Li et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


def patch_mask(
    number: int, size: tuple[int, int], patch: int, share: float, device: torch.device
) -> torch.Tensor:
    """Draw patches of a map.

    Args:
        number: Of maps, N.
        size: Height and width of the map.
        patch: Side of a patch.
        share: Of the patches that are drawn, rounded; the same in every map.
        device: Of the result.

    Returns:
        (N, 1, h, w), 1 on the drawn patches.
    """
    rows, columns = -(-size[0] // patch), -(-size[1] // patch)
    count = round(share * rows * columns)
    ranks = torch.rand(number, rows * columns, device=device).argsort(1).argsort(1)
    grid = (ranks < count).float().view(number, 1, rows, columns)
    whole = grid.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return whole[:, :, : size[0], : size[1]]


def mask_noise(
    maps: Sequence[torch.Tensor], mask: torch.Tensor, fill: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Replace noise maps where a mask is 1; nothing of the maps is left there.

    Args:
        maps: (N, 1, h, w) each, of any sizes.
        mask: (N, 1, h', w'), stretched to the maps' sizes.
        fill: What is there instead, of the maps' sizes.
    """
    result = []
    for values, other in zip(maps, fill, strict=True):
        covered = functional.interpolate(mask, values.shape[-2:], mode='nearest') > 0.5
        result.append(torch.where(covered, other, values))
    return result
