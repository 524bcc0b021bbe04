# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of SML as they are published, pixel by pixel: slow, and easy to compare with the text.

Boundary suppression runs its four iterations over all pixels with a boundary of its own each, and
the Gaussian is one two-dimensional sum. Nothing is shared with the package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]
CROSS = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
SQUARE = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def standardise_reference(
    score: NDArray[Any], labels: NDArray[np.uint8], means: list[float], stds: list[float]
) -> Map:
    result = np.empty(score.shape)
    for place in np.ndindex(*score.shape):
        label = int(labels[place])
        result[place] = (float(score[place]) - means[label]) / stds[label]
    return result


def base_boundary(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the dilation by a cross is not the erosion by a square; outside is nothing."""
    height, width = labels.shape
    result = np.zeros(labels.shape, bool)
    for y, x in np.ndindex(height, width):

        def around(offsets: list[tuple[int, int]], y: int = y, x: int = x) -> list[int]:
            places = [(y + dy, x + dx) for dy, dx in offsets]
            return [int(labels[v, u]) for v, u in places if 0 <= v < height and 0 <= u < width]

        result[y, x] = max(around(CROSS)) != min(around(SQUARE))
    return result


def expand(boundary: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Dilate by a diamond."""
    height, width = boundary.shape
    result = np.zeros(boundary.shape, bool)
    for y, x in zip(*np.nonzero(boundary), strict=True):
        for dy in range(-radius, radius + 1):
            for dx in range(abs(dy) - radius, radius - abs(dy) + 1):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    result[y + dy, x + dx] = True
    return result


def suppress_reference(score: NDArray[Any], labels: NDArray[np.uint8]) -> Map:
    """Four iterations; each reads the result of the one before."""
    height, width = score.shape
    base = base_boundary(labels)
    current = score.astype(np.float64)
    for radius in (3, 2, 1, 0):
        boundary = expand(base, radius)
        following = current.copy()
        for y, x in zip(*np.nonzero(boundary), strict=True):
            values = []
            for dy, dx in SQUARE:
                v, u = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
                if not boundary[v, u]:
                    values.append(current[v, u])
            if values:
                following[y, x] = sum(values) / len(values)
        current = following
    return current


def smooth_reference(score: NDArray[Any]) -> Map:
    """7 x 7 taps, six pixels apart; border pixels are repeated beyond the border."""
    height, width = score.shape
    kernel = [[math.exp(-(j * j + i * i) / 2) for i in range(-3, 4)] for j in range(-3, 4)]
    total = sum(map(sum, kernel))
    result = np.zeros(score.shape)
    for y, x in np.ndindex(height, width):
        for j in range(7):
            for i in range(7):
                v = min(max(y + 6 * (j - 3), 0), height - 1)
                u = min(max(x + 6 * (i - 3), 0), width - 1)
                result[y, x] += kernel[j][i] / total * float(score[v, u])
    return result
