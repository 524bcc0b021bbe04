# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid with its 11 classes mapped to Cityscapes (Brostow et al. 2009).

CamVid's bicyclist is rider and bicycle in one, so it maps to ignore and is left to the teacher.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example
from anomaly_seg_training.data.labelled import pairs, read_labelled

FOLDER = 'camvid'
VIEW = Size(640, 480)
TO_CITYSCAPES = {
    0: 10,  # sky
    1: 2,  # building
    2: 5,  # pole
    3: 0,  # road
    4: 1,  # pavement -> sidewalk
    5: 8,  # tree -> vegetation
    6: 7,  # sign -> traffic sign
    7: 4,  # fence
    8: 13,  # car
    9: 11,  # pedestrian -> person
    10: 255,  # bicyclist
    11: 255,  # unlabelled
}


@READERS.register('camvid')
def read(
    root: Path, *, splits: Sequence[str] = ('train', 'val', 'test'), step: int = 1
) -> Iterator[Example]:
    """Yield frames with labels as Cityscapes train ids.

    Args:
        root: Folder that holds ``camvid/<split>/{images,labels}``, labels 0..11.
        splits: Which splits; all by default, since no figure is measured on CamVid.
        step: Take every `step`-th frame of a split.

    Raises:
        DataError: A folder or file is missing, or a label is none of 0..11.
        ImageError: A file is no image.
    """
    for split in splits:
        folder = root / FOLDER / split
        for image_file, label_file in pairs(folder / 'images', folder / 'labels')[::step]:
            image, labels = read_labelled(image_file, label_file, TO_CITYSCAPES)
            yield Example(f'camvid/{split}/{image_file.stem}', image, labels, VIEW)
