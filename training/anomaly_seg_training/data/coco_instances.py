# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files in the format of COCO's instances (Lin et al. 2014): objects, their outlines as masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.data.labelled import DataError

MAX_FILE_BYTES = 2**30
"""COCO's largest, instances_train2017.json, has 448 MB."""
_FAR = 2.0**20
"""Coordinates beyond it are no pixels; OpenCV would wrap them."""


@dataclass(frozen=True)
class Annotations:
    """Content of a file of COCO's instances.

    Args:
        objects: Objects of each image, by the image's file name; an `id` that is not told is None.
        shapes: (height, width) by file name, of the images for which it is told.
        names: Category id -> name.
    """

    objects: dict[str, list[dict[str, Any]]]
    shapes: dict[str, tuple[int, int]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def categories(self) -> set[int]:
        """Return the category ids that occur."""
        return {item['category_id'] for items in self.objects.values() for item in items}


def read_annotations(path: Path) -> Annotations:
    """Read a file of COCO's instances.

    Raises:
        DataError: It is not in that format.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            msg = f'{path} is too large for a file of annotations, expected at most 1 GiB'
            raise DataError(msg)
        content = json.loads(path.read_text('utf-8'))
        names = {image['id']: str(image['file_name']) for image in content['images']}
        shapes = {
            str(image['file_name']): (int(image['height']), int(image['width']))
            for image in content['images']
            if 'height' in image and 'width' in image
        }
        objects: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
        for item in content['annotations']:
            # Some tools write boxes alone.
            outlines = item.get('segmentation') or []
            wanted = {'id': item.get('id'), 'category_id': item['category_id']}
            wanted |= {'segmentation': outlines, 'iscrowd': item.get('iscrowd', 0)}
            wanted['area'] = _told_area(item, outlines)
            objects[names[item['image_id']]].append(wanted)
        words = {int(c['id']): str(c['name']) for c in content.get('categories', [])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"{path} is not in the format of COCO's instances ({error!r})"
        raise DataError(msg) from error
    return Annotations(objects, shapes, words)


def _told_area(item: dict[str, Any], outlines: Any) -> float:
    """Return the area that the file tells, or that of the outlines where it tells none.

    Raises:
        TypeError: It is no number.
        ValueError: It is not told, and the outlines are none.
    """
    area = item.get('area')
    if area is None:
        return area_of(outlines)
    if not isinstance(area, (int, float)):
        msg = f'received the area {area!r}, expected a number'
        raise TypeError(msg)
    return area


def area_of(segmentation: Any) -> float:
    """Return the pixels that outlines enclose, for files that do not tell.

    Args:
        segmentation: Polygons, whose overlaps count twice, or runs.

    Raises:
        ValueError: They are neither.
    """
    if not isinstance(segmentation, list):
        counts = segmentation['counts']
        runs = decompress_runs(counts) if isinstance(counts, (str, bytes)) else counts
        return float(sum(runs[1::2]))
    total = 0.0
    for part in segmentation:
        x, y = np.asarray(part, np.float64).reshape(-1, 2).T
        total += abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return total


def mask_of(item: dict[str, Any], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return where an object is: (H, W) uint8, 0 or 1.

    Args:
        item: Its `segmentation` is a list of polygons [x, y, x, y, ...] or runs, plain or
            compressed.
        shape: (height, width) of the image.

    Raises:
        ValueError: A polygon is no list of points, or runs do not fill the image.
    """
    segmentation = item['segmentation']
    if isinstance(segmentation, list):
        mask = np.zeros(shape, np.uint8)
        parts = [np.asarray(part, np.float64).reshape(-1, 2) for part in segmentation]
        if not all(np.abs(part).max(initial=0) < _FAR for part in parts):
            msg = 'received a polygon with coordinates that are no pixels'
            raise ValueError(msg)
        cv2.fillPoly(mask, [np.round(part).astype(np.int32) for part in parts], 1)
        return mask
    counts = segmentation['counts']
    runs = decompress_runs(counts) if isinstance(counts, (str, bytes)) else counts
    return draw_runs(runs, shape)


def draw_runs(runs: Sequence[int], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw runs of zeros and ones, in turn, down the columns.

    Returns:
        (H, W) uint8, 0 or 1.

    Raises:
        ValueError: They are no counts, or their sum is not the number of pixels.
    """
    height, width = shape
    whole = isinstance(runs, list) and all(type(run) is int and run >= 0 for run in runs)
    if not whole or sum(runs) != height * width:
        msg = f'received runs {str(runs)[:40]}, expected a list whose sum is {height * width}'
        raise ValueError(msg)
    ones = (np.arange(len(runs)) % 2).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(ones, runs).reshape(width, height).T)


def decompress_runs(text: str | bytes) -> list[int]:
    """Return the runs that COCO's tools write as text.

    Each number stands in digits of 5 bits, the lowest first; a sixth bit says that more digits
    follow, the highest bit of the last digit is the sign. From the fourth on, numbers are
    differences to the number two places before.

    Raises:
        ValueError: A character is none of them, the text ends within a number, or a number is
            absurd.
    """
    data = text.encode('ascii') if isinstance(text, str) else text
    runs: list[int] = []
    value = shift = 0
    for byte in data:
        digit = byte - 48
        if not 0 <= digit < 64 or shift > 40:
            msg = f'received the compressed runs {data[:40]!r}, expected those of COCO'
            raise ValueError(msg)
        value |= (digit & 0x1F) << shift
        shift += 5
        if not digit & 0x20:
            if digit & 0x10:
                value -= 1 << shift
            if len(runs) > 2:
                value += runs[-2]
            runs.append(value)
            value = shift = 0
    if shift:
        msg = f'the compressed runs {data[:40]!r} end within a number'
        raise ValueError(msg)
    return runs


def draw_values(
    objects: Sequence[dict[str, Any]],
    shape: tuple[int, int],
    value: Callable[[dict[str, Any], NDArray[np.uint8]], int],
    empty: int,
) -> NDArray[np.uint8]:
    """Draw objects one above the other, large ones first.

    Args:
        objects: As in COCO's annotations.
        shape: (height, width) of the image.
        value: Takes an object and its (H, W) mask, returns what to draw it with.
        empty: Where no object is.
    """
    values = np.full(shape, empty, np.uint8)
    for item in sorted(objects, key=lambda item: -float(item['area'])):
        mask = mask_of(item, shape)
        values[mask > 0] = value(item, mask)
    return values
