# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Photographs of COCO for a teacher's predictions, and as labels the classes that streets share.

A student that imitates its teacher on many kinds of pictures learns features that a few drives
cannot show (Beyer et al. 2022, "Knowledge distillation: A good teacher is patient and
consistent"); what the teacher is unsure of stays unsure in the student. COCO's polygons show what
the teacher rarely meets: buses, trucks and trains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.images import IMAGE_SUFFIXES, read_image
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example
from anomaly_seg_training.data.coco_instances import draw_values, mask_of, read_annotations
from anomaly_seg_training.data.labelled import DataError

FOLDER = 'coco128'
LONG_SIDE = 768
TO_CITYSCAPES = {
    1: 11,  # person
    2: 18,  # bicycle
    3: 13,  # car
    4: 17,  # motorcycle
    6: 15,  # bus
    7: 16,  # train
    8: 14,  # truck
    10: 6,  # traffic light
    13: 7,  # stop sign -> traffic sign
}
"""COCO's category ids to Cityscapes' train ids."""
LIKE_KNOWN = frozenset((11, 14, 15, 64))
"""Hydrants, parking meters, benches and plants: streets hold things much like them."""
UNKNOWN = 254
"""What `draw` gives objects that no class describes."""

_CYCLES = (2, 4)


@READERS.register('coco')
def read(
    root: Path, *, step: int = 1, sets: Sequence[str] | None = None, unknown: bool = False
) -> Iterator[Example]:
    """Yield every `step`-th image below ``coco128/images/<set>/``.

    Labels come from ``coco128/annotations/instances_<set>.json`` where it exists: pixels of the
    classes that Cityscapes knows, 255 elsewhere.

    Args:
        root: Folder of the data sets.
        step: See above.
        sets: Names of sets, for example ``train2017``; all by default.
        unknown: Mark the objects of all other categories, but those that streets hold things
            much like, as unknown, and leave out images that show no outlined object.

    Raises:
        DataError: The folder holds no image, or an annotation file is not in COCO's format or,
            with `unknown`, missing.
        ImageError: An image cannot be read.
    """
    folder = root / FOLDER / 'images'
    files = sorted(
        file
        for file in folder.rglob('*')
        if file.suffix.lower() in IMAGE_SUFFIXES and (sets is None or file.parent.name in sets)
    )
    if not files:
        msg = f'{folder} holds no image, expected files like {", ".join(IMAGE_SUFFIXES[:4])}'
        raise DataError(msg)
    annotations: dict[str, dict[str, list[dict[str, Any]]] | None] = {}
    for file in files[::step]:
        image = read_image(file)
        name = file.parent.name
        if name not in annotations:
            path = root / FOLDER / 'annotations' / f'instances_{name}.json'
            if unknown and not path.is_file():
                msg = f'there is no {path}, without which no object of {folder / name} is unknown'
                raise DataError(msg)
            annotations[name] = read_annotations(path).objects if path.is_file() else None
        known = annotations[name]
        labels = None if known is None else draw(known.get(file.name, []), image.shape[:2])
        shown: NDArray[np.bool_] | None = None
        if unknown:
            if labels is None or not (labels != IGNORE).any():
                continue
            shown = labels == UNKNOWN
        if labels is not None:
            labels[labels == UNKNOWN] = IGNORE
        view = _view(image.shape[1], image.shape[0])
        yield Example(f'coco/{file.stem}', image, labels, view, unknown=shown)


def draw(objects: list[dict[str, Any]], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw objects, large ones first: known ones as train ids, others as 254; the rest is 255.

    Crowds, people where they touch a cycle (Cityscapes calls those riders), and what is like
    things of the street, stay 255.
    """
    cycles = np.zeros(shape, np.uint8)
    outlined = [item for item in objects if isinstance(item['segmentation'], list)]
    for item in outlined:
        if item['category_id'] in _CYCLES:
            cycles |= mask_of(item, shape)
    cycles = cv2.dilate(cycles, np.ones((9, 9), np.uint8)).astype(np.uint8)

    def label(item: dict[str, Any], mask: NDArray[np.uint8]) -> int:
        if item['category_id'] == 1 and np.any(mask & cycles):
            return IGNORE
        if item['category_id'] in LIKE_KNOWN:
            return IGNORE
        return TO_CITYSCAPES.get(item['category_id'], UNKNOWN)

    return draw_values(outlined, shape, label, IGNORE)


def _view(width: int, height: int) -> Size:
    """Return a size of the image's form whose sides are multiples of 32, for the networks."""
    factor = LONG_SIDE / max(width, height)
    return Size(*(max(32, round(side * factor / 32) * 32) for side in (width, height)))
