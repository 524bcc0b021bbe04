# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VDE as the paper's text reads, one pixel after the other.

Section 3.3.2 of Mao, Sun, Huang: Improving Performance and Compute Efficiency of Anomaly
Segmentation Models with COCO-DAG. Neither code nor constants are published, so each constant and
each choice that the text leaves open has a name here:

KERNEL (3, square): "a small size of the dilation kernel". The smallest one that has neighbours on
    all sides. Any other kernel that looks at the pixel to the left gives the same region, which
    `test_vde.py` checks, so that nothing hangs on this choice.
Scan order (left to right): the text orders rows only, "from upper rows to lower rows". Right to
    left gives the same region too.
Outside of the image: not road, as nothing was classified there.
Erosion: "does an erosion operation until a real road pixel is eroded". The walk stops at the
    real road pixel and leaves it standing, because the aim is "to restore the unnecessary
    expansion" and that pixel is no expansion. A row without real road is eroded away whole.
Road threshold, amounts: arguments, in units of the score here. "Raise or lower the confidence of
    the model to some pixels": the score of holes (in the region, not road) rises, that of true
    road and of the "irrelevant" rest falls. A frame without any true road stays as it is: the
    text has no such frame.
NaN: no road (it exceeds no confidence threshold), and NaN whatever is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

KERNEL = np.ones((3, 3), bool)


def true_road(
    score: NDArray[Any], labels: NDArray[Any], drivable: Sequence[int], threshold: float
) -> NDArray[np.bool_]:
    """First and second step of the text: classified as road, and confidently so; (H, W)."""
    road = np.zeros(labels.shape, bool)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            road[y, x] = int(labels[y, x]) in drivable and bool(score[y, x] <= threshold)
    return road


def dilate_in_place(
    road: NDArray[np.bool_], kernel: NDArray[np.bool_] = KERNEL, backwards: bool = False
) -> NDArray[np.bool_]:
    """Third step: from upper to lower rows, every new pixel seen by those that follow; (H, W)."""
    image = road.copy()
    height, width = image.shape
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    for y in range(height):
        for x in range(width - 1, -1, -1) if backwards else range(width):
            for i in range(kernel.shape[0]):
                for j in range(kernel.shape[1]):
                    v, u = y + i - up, x + j - left
                    if kernel[i, j] and 0 <= v < height and 0 <= u < width and image[v, u]:
                        image[y, x] = True
    return image


def erode_rows(dilated: NDArray[np.bool_], road: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fourth step: in every row from the left, then from the right, up to real road; (H, W)."""
    image = dilated.copy()
    height, width = image.shape
    for y in range(height):
        for columns in (range(width), range(width - 1, -1, -1)):
            for x in columns:
                if road[y, x]:
                    break
                image[y, x] = False
    return image


def region_reference(
    road: NDArray[np.bool_], kernel: NDArray[np.bool_] = KERNEL, backwards: bool = False
) -> NDArray[np.bool_]:
    """Third and fourth step; (H, W)."""
    return erode_rows(dilate_in_place(road, kernel, backwards), road)


def vde_reference(
    score: NDArray[np.float32],
    labels: NDArray[np.uint8],
    drivable: Sequence[int],
    threshold: float,
    raise_hole: float,
    lower_road: float,
    lower_outside: float,
    kernel: NDArray[np.bool_] = KERNEL,
) -> NDArray[np.float32]:
    """All steps, on one frame; threshold and amounts in units of the score; (H, W)."""
    road = true_road(score, labels, drivable, threshold)
    if not road.any():
        return score.copy()
    region = region_reference(road, kernel)
    result = score.copy()
    for y in range(score.shape[0]):
        for x in range(score.shape[1]):
            if road[y, x]:
                result[y, x] -= np.float32(lower_road)
            elif region[y, x]:
                result[y, x] += np.float32(raise_hole)
            else:
                result[y, x] -= np.float32(lower_outside)
    return result
