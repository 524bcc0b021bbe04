# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Connected regions of a score map and the rules that look at one frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.cleanup.config import CleanupError


@dataclass(frozen=True)
class Regions:
    """8-connected regions of the pixels above the low threshold, sparse.

    Args:
        shape: (H, W).
        pixels: (P,) flat indices of their pixels, ascending.
        region: (P,) int32, the region of each pixel, from 1.
        kept: (1 + regions,) bool, which of them stay; entry 0, the background, never does.
    """

    shape: tuple[int, int]
    pixels: NDArray[np.intp]
    region: NDArray[np.int32]
    kept: NDArray[np.bool_]

    def mask(self) -> NDArray[np.uint8]:
        """Return (H, W) uint8, 255 on the regions that stay, 0 elsewhere."""
        mask = np.zeros(self.shape, np.uint8)
        mask.reshape(-1)[self.pixels[self.kept[self.region]]] = 255
        return mask

    def narrowed(self, kept: NDArray[np.bool_]) -> Regions:
        """Return the same regions, of which only those in both selections stay."""
        return Regions(self.shape, self.pixels, self.region, self.kept & kept)


def find_regions(
    score: NDArray[np.float32], high: float, low: float, min_area: int = 0
) -> Regions:
    """Find the regions above `low` that reach above `high` and have at least `min_area` pixels.

    Args:
        score: (H, W), higher = more anomalous; NaN counts as normal.
        high: The threshold, compared in float32, the precision of scores.
        low: The low threshold, at most `high`.
        min_area: In pixels; 0 and 1 keep all.

    Raises:
        CleanupError: `score` is no map, or `low` lies above `high`.
    """
    if score.ndim != 2:
        msg = f'received a score of shape {score.shape}, expected (H, W)'
        raise CleanupError(msg)
    high32, low32 = np.float32(high), np.float32(low)
    if not low32 <= high32:
        msg = f'received the low threshold {low} above the threshold {high}'
        raise CleanupError(msg)
    shape = (score.shape[0], score.shape[1])
    weak = np.greater(score, low32)
    pixels = np.flatnonzero(weak)  # of bool: ten times as fast as of uint8
    values = np.ascontiguousarray(score).reshape(-1)[pixels]
    strong = values > high32
    if not strong.any():
        nothing = np.zeros(0, np.int32)
        return Regions(shape, pixels[:0], nothing, np.zeros(1, np.bool_))
    # Only the rows with weak pixels are searched: a mask is usually a few spots.
    width = shape[1]
    first, last = int(pixels[0]) // width, int(pixels[-1]) // width + 1
    rows = weak[first:last].view(np.uint8)
    count, labels = cv2.connectedComponents(rows, connectivity=8, ltype=cv2.CV_32S)
    region = np.asarray(labels, np.int32).reshape(-1)[pixels - first * width]
    kept = np.zeros(count, np.bool_)
    kept[region[strong]] = True
    if min_area > 1:
        kept &= np.bincount(region, minlength=count) >= min_area
    return Regions(shape, pixels, region, kept)


def clean_mask(
    score: NDArray[np.float32], high: float, low: float | None = None, min_area: int = 0
) -> NDArray[np.uint8]:
    """Return the mask of a score map after hysteresis and the minimum area.

    Raising `high`, `low` or `min_area` never adds a pixel: regions above a higher low threshold
    lie inside those above the lower one, so neither their areas nor their highest scores grow.

    Args:
        score: (H, W), higher = more anomalous; NaN counts as normal.
        high: Regions without a pixel above it are removed.
        low: Where regions end; None means `high`, no hysteresis.
        min_area: Regions (8-connected) of fewer pixels are removed.

    Returns:
        (H, W) uint8, 255 anomalous, 0 normal.

    Raises:
        CleanupError: `score` is no map, or `low` lies above `high`.
    """
    return find_regions(score, high, high if low is None else low, min_area).mask()
