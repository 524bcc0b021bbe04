# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mask clean-up written a second time, with a flood fill and loops, for comparison."""

from __future__ import annotations

import numpy as np


def slow_regions(weak: np.ndarray) -> list[set[tuple[int, int]]]:
    """Return the 8-connected regions of a boolean map."""
    height, width = weak.shape
    left = {(int(y), int(x)) for y, x in np.argwhere(weak)}
    regions = []
    while left:
        stack = [left.pop()]
        region = set(stack)
        while stack:
            y, x = stack.pop()
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    place = (y + dy, x + dx)
                    if place in left:
                        left.remove(place)
                        region.add(place)
                        stack.append(place)
        regions.append(region)
    assert all(0 <= y < height and 0 <= x < width for r in regions for y, x in r)
    return regions


def slow_clean(score: np.ndarray, high: float, low: float, min_area: int) -> np.ndarray:
    """Return the cleaned mask of one frame."""
    mask = np.zeros(score.shape, np.uint8)
    for region in slow_regions(score > np.float32(low)):
        strong = any(score[place] > np.float32(high) for place in region)
        if strong and len(region) >= min_area:
            for place in region:
                mask[place] = 255
    return mask


def slow_persistent(masks: list[np.ndarray], needed: int, frames: int, reach: int) -> np.ndarray:
    """Return the last of a list of cleaned masks, less what earlier ones do not confirm."""
    result = np.zeros_like(masks[-1])
    for region in slow_regions(masks[-1] > 0):
        seen = 1
        for earlier in masks[:-1][::-1][: frames - 1]:
            marked = np.argwhere(earlier > 0)
            seen += any(max(abs(y - v), abs(x - u)) <= reach for y, x in region for v, u in marked)
        if seen >= needed:
            for place in region:
                result[place] = 255
    return result
