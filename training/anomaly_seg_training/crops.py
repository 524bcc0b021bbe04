# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random crops that cut image, labels and the teacher's maps from one place."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from anomaly_seg_ros.size import Size


@dataclass(frozen=True)
class Box:
    """A part of an image in fractions of its width and height, perhaps mirrored."""

    left: float
    top: float
    width: float
    height: float
    flip: bool = False


def choose_box(
    rng: np.random.Generator,
    view: Size,
    crop: Size,
    scale: tuple[float, float],
    centre: tuple[float, float] | None = None,
) -> Box:
    """Draw a crop: log-uniform scale, up to 15 % of aspect change, place, mirror.

    Args:
        rng: Source of all draws.
        view: Size of the whole image at scale 1.
        crop: Size of the crop in network pixels.
        scale: Lowest and highest scale. A crop that does not fit the view at the drawn one takes
            the whole of the side that is too short and is stretched along it. For all to fit,
            whatever their aspect, the lowest must be 1.073 times the larger of crop / view.
        centre: (x, y) fractions that the crop shall contain near its middle; anywhere if None.
    """
    aspect = np.exp(rng.uniform(np.log(0.87), np.log(1.15)))
    zoom = np.exp(rng.uniform(np.log(scale[0]), np.log(scale[1])))
    width = min(1.0, crop.width / (view.width * zoom * np.sqrt(aspect)))
    height = min(1.0, crop.height / (view.height * zoom / np.sqrt(aspect)))
    if centre is None:
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    else:
        x, y = centre + rng.uniform(-0.25, 0.25, 2) * (width, height)
        left = float(np.clip(x - width / 2, 0, 1 - width))
        top = float(np.clip(y - height / 2, 0, 1 - height))
    return Box(float(left), float(top), float(width), float(height), bool(rng.random() < 0.5))


def exact_box(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    crop: Size,
    centre: tuple[float, float] | None = None,
) -> Box:
    """Draw a crop that changes no pixel: at scale 1, on whole pixels, not mirrored.

    Args:
        rng: Source of all draws.
        shape: (H, W, ...) of the image; a side that is shorter than the crop's is enlarged to it.
        crop: Size of the crop.
        centre: (x, y) fractions that the crop shall contain near its middle; anywhere if None.
    """
    found = []
    for axis, (full, part) in enumerate(((shape[1], crop.width), (shape[0], crop.height))):
        room = max(0, full - part)
        first = int(rng.integers(room + 1))
        if centre is not None:
            near = centre[axis] * full + (rng.uniform(-0.25, 0.25) - 0.5) * part
            first = int(np.clip(round(near), 0, room))
        found.append((first / full, min(full, part) / full))
    (left, width), (top, height) = found
    return Box(left, top, width, height)


def crop_image(image: NDArray[np.uint8], box: Box, size: Size) -> NDArray[np.uint8]:
    """Cut and resize an (H, W, 3) image; bilinear, by area where it shrinks."""
    matrix = _matrix(box, Size(image.shape[1], image.shape[0]), size)
    shrink = min(matrix[0, 0], matrix[1, 1])
    if shrink > 1.5:
        # warpAffine samples four pixels only: cut first, then average over areas.
        height, width = image.shape[:2]
        left, top = round(box.left * width), round(box.top * height)
        right = max(left + 1, round((box.left + box.width) * width))
        bottom = max(top + 1, round((box.top + box.height) * height))
        part = image[top:bottom, left:right]
        result = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    else:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        result = cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if box.flip:
        result = result[:, ::-1]
    return np.ascontiguousarray(result, np.uint8)


def crop_labels(labels: NDArray[np.uint8], box: Box, size: Size) -> NDArray[np.uint8]:
    """Cut and resize an (H, W) label map, nearest."""
    matrix = _matrix(box, Size(labels.shape[1], labels.shape[0]), size)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    result = cv2.warpAffine(labels, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(result[:, ::-1] if box.flip else result, np.uint8)


def crop_map(values: torch.Tensor, box: Box, size: Size) -> torch.Tensor:
    """Cut and resize a (C, H, W) map of the whole image, bilinear, to float32."""
    height, width = values.shape[-2:]
    # Only the part that is needed is converted and sampled, with a border of two.
    x0 = max(0, int(box.left * width) - 2)
    x1 = min(width, int((box.left + box.width) * width) + 3)
    y0 = max(0, int(box.top * height) - 2)
    y1 = min(height, int((box.top + box.height) * height) + 3)
    part = values[:, y0:y1, x0:x1].float()
    x = (box.left + (torch.arange(size.width) + 0.5) * (box.width / size.width)) * width - x0
    y = (box.top + (torch.arange(size.height) + 0.5) * (box.height / size.height)) * height - y0
    if box.flip:
        x = x.flip(0)
    x, y = x * (2 / (x1 - x0)) - 1, y * (2 / (y1 - y0)) - 1
    grid = torch.stack((x[None].expand(size.height, -1), y[:, None].expand(-1, size.width)), -1)
    return functional.grid_sample(
        part[None], grid[None], mode='bilinear', padding_mode='border', align_corners=False
    )[0]


def _matrix(box: Box, source: Size, size: Size) -> NDArray[np.float64]:
    """Return the (2, 3) map from crop pixels to image pixels, pixel centres on centres."""
    fx = box.width * source.width / size.width
    fy = box.height * source.height / size.height
    return np.array((
        (fx, 0, box.left * source.width + 0.5 * fx - 0.5),
        (0, fy, box.top * source.height + 0.5 * fy - 0.5),
    ))  # fmt: skip
