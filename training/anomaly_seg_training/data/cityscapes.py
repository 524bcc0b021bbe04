# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes: folders ``images`` and ``trainIds`` per split (Cordts et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anomaly_seg_ros.images import read_image, read_label_map
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example, check_labels, check_shapes, pairs

FOLDER = 'cityscapes_mini'
VIEW = Size(1024, 512)
_ALLOWED = (*range(19), 255)


@READERS.register('cityscapes')
def read(root: Path, *, split: str = 'train') -> Iterator[Example]:
    """Yield a split's frames with their train ids.

    Args:
        root: Folder that holds ``cityscapes_mini/<split>/{images,trainIds}``.
        split: ``train`` or ``val``.

    Raises:
        DataError: A folder or file is missing, or a label is none of 0..18 and 255.
        ImageError: A file is no image.
    """
    folder = root / FOLDER / split
    for image_file, label_file in pairs(folder / 'images', folder / 'trainIds'):
        labels = read_label_map(label_file)
        check_labels(labels, _ALLOWED, str(label_file))
        image = read_image(image_file)
        check_shapes(image, labels, str(image_file))
        yield Example(f'cityscapes/{split}/{image_file.stem}', image, labels, VIEW)
