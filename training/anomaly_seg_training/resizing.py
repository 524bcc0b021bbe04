# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the lab resizes images and ground truth: one way, so that its figures can be compared."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.size import Size


def resize_image(image: NDArray[np.uint8], size: Size | None) -> NDArray[np.uint8]:
    """Shrink an image by averaging areas, which leaves no aliases, or enlarge it bilinearly."""
    if size is None:
        return image
    shrinks = size.height <= image.shape[0] and size.width <= image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=interpolation).astype(np.uint8, copy=False)


def resize_labels(labels: NDArray[np.uint8], size: Size | None) -> NDArray[np.uint8]:
    """Resize a map of labels by nearest neighbour."""
    if size is None:
        return labels
    resized = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    return resized.astype(np.uint8, copy=False)


def fit_image(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Resize the middle of an image: those of another camera keep their proportions so."""
    return resize_image(_middle(image, size), size)


def fit_labels(labels: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Resize the middle of a label map, as `fit_image` does."""
    return resize_labels(_middle(labels, size), size)


def _middle(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Cut the middle in the proportions of `size`."""
    height, width = image.shape[:2]
    rows = min(height, max(1, round(width * size.height / size.width)))
    columns = min(width, max(1, round(height * size.width / size.height)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[top : top + rows, left : left + columns]
