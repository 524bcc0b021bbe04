# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes: folders ``images`` and ``trainIds`` per split (Cordts et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example
from anomaly_seg_training.data.labelled import pairs, read_labelled

FOLDER = 'cityscapes_mini'
VIEW = Size(1024, 512)
TRAIN_IDS = {value: value for value in (*range(19), 255)}


def holds(root: Path, *, split: str) -> bool:
    """Tell whether the data sets hold a split's folder."""
    return (root / FOLDER / split).is_dir()


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
        image, labels = read_labelled(image_file, label_file, TRAIN_IDS)
        yield Example(f'cityscapes/{split}/{image_file.stem}', image, labels, VIEW)
