# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Photographs of COCO without their labels, for a teacher's predictions.

A student that imitates its teacher on many kinds of pictures learns features that a few drives
cannot show (Beyer et al. 2022, "Knowledge distillation: A good teacher is patient and
consistent"); what the teacher is unsure of stays unsure in the student.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anomaly_seg_ros.images import IMAGE_SUFFIXES, read_image
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, DataError, Example

FOLDER = 'coco128/images'
LONG_SIDE = 768


@READERS.register('coco')
def read(root: Path, *, step: int = 1) -> Iterator[Example]:
    """Yield every `step`-th image below ``coco128/images/``.

    Raises:
        DataError: The folder holds no image.
        ImageError: An image cannot be read.
    """
    folder = root / FOLDER
    files = sorted(f for f in folder.rglob('*') if f.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        msg = f'{folder} holds no image, expected files like {", ".join(IMAGE_SUFFIXES[:4])}'
        raise DataError(msg)
    for file in files[::step]:
        image = read_image(file)
        yield Example(f'coco/{file.stem}', image, None, _view(image.shape[1], image.shape[0]))


def _view(width: int, height: int) -> Size:
    """Return a size of the image's form whose sides are multiples of 32, for the networks."""
    factor = LONG_SIDE / max(width, height)
    return Size(*(max(32, round(side * factor / 32) * 32) for side in (width, height)))
