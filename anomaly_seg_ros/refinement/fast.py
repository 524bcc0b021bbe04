# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boundary suppression and smoothing on the CPU with NumPy and OpenCV, at camera frame rate.

The same numbers as `boundary` and `smoothing`, which explain what is computed. Here only the
pixels inside boundaries, a few per cent, are visited, and smoothing works in place of a dilated
filter, which no library has fast, with plain ones on views of the same memory.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.refinement.kernel import DILATION, PADDING, TAPS

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
_SQUARE = np.ones((3, 3), np.uint8)
_KERNEL = np.array(TAPS, np.float32)
_CHUNK = 1 << 12
"""Pixels at a time: their windows stay in the cache."""


def boundary_levels(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return in how many of the four iterations a pixel lies inside the boundary.

    Args:
        labels: (H, W).

    Returns:
        (H, W), from 0 to 4; see `boundary.Boundaries.levels`.
    """
    different = cv2.dilate(labels, _CROSS) != cv2.erode(labels, _SQUARE)
    inside = different.view(np.uint8)
    levels = inside
    for _ in range(3):
        inside = cv2.dilate(inside, _CROSS)
        levels = cv2.add(levels, inside)
    return np.asarray(levels, np.uint8)


def suppress_boundaries(
    score: NDArray[np.float32], levels: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Replace the scores inside the boundary by means of those beside them.

    Args:
        score: (H, W).
        levels: (H, W) of `boundary_levels`.

    Returns:
        (H, W); see `boundary.Boundaries.suppress`.
    """
    width = score.shape[1]
    padded = cv2.copyMakeBorder(score, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    padded_levels = cv2.copyMakeBorder(levels, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    # Replaced is what has a neighbour of lower level.
    lowest = cv2.erode(levels, _SQUARE)
    pixels = np.flatnonzero(cv2.compare(lowest, levels, cv2.CMP_LT).view(np.bool_))
    level_of = levels.reshape(-1)[pixels]
    pixels += 2 * (pixels // width) + width + 3  # in the padded image
    row = width + 2
    around = np.array([-row - 1, -row, -row + 1, -1, 1, row - 1, row, row + 1])[:, None]
    flat, flat_levels = padded.reshape(-1), padded_levels.reshape(-1)
    for level in range(1, 5):
        of_level = pixels[level_of == level]
        for start in range(0, len(of_level), _CHUNK):
            # Pixels of one level are not read by each other: they can be written at once.
            part = of_level[start : start + _CHUNK]
            window = part + around
            valid = flat_levels.take(window) < level
            sums = (flat.take(window) * valid).sum(0)
            flat[part] = sums / valid.sum(0, dtype=np.float32)
        if level < 4:
            padded[0], padded[-1] = padded[1], padded[-2]
            padded[:, 0], padded[:, -1] = padded[:, 1], padded[:, -2]
    return np.asarray(padded[1:-1, 1:-1], np.float32)


def smooth(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth by the dilated Gaussian.

    Every sixth row, with six neighbouring columns taken for the channels of one pixel, is an
    image in which the taps lie side by side.

    Args:
        score: (H, W).

    Returns:
        (H, W); see `smoothing.smooth`.
    """
    height, width = score.shape
    rows, columns = (-(-(side + 2 * PADDING) // DILATION) for side in (height, width))
    padded = cv2.copyMakeBorder(
        score,
        PADDING,
        rows * DILATION - height - PADDING,
        PADDING,
        columns * DILATION - width - PADDING,
        cv2.BORDER_REPLICATE,
    )
    result = np.empty_like(padded)
    for phase in range(DILATION):
        source = padded[phase::DILATION].reshape(rows, columns, DILATION)
        target = result[phase::DILATION].reshape(rows, columns, DILATION)
        filtered = cv2.sepFilter2D(source, -1, _KERNEL, _KERNEL, dst=target)
        if not np.may_share_memory(filtered, target):
            target[:] = filtered
    cropped = result[PADDING : PADDING + height, PADDING : PADDING + width]
    return np.asarray(cropped, np.float32)
