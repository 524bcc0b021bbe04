# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Road-anomaly test sets: photographs with masks of what no class describes.

Fishyscapes (Blum et al. 2021) and RoadAnomaly (Lis et al. 2019). They are for measuring only: no
reader of training data is registered for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.data.labelled import pairs, read_labelled

FOLDER = 'road_anomaly_val'
MASKS: dict[str, dict[int, int]] = {
    'FS_LostFound_full': {0: 0, 1: 1, 255: 255},
    'RoadAnomaly': {0: 0, 2: 1},
    'fs_static': {0: 0, 1: 1, 255: 255},
}
"""Mask value -> 0 normal, 1 anomaly, 255 ignore, by data set."""


@dataclass(frozen=True)
class AnomalyExample:
    """One image with (H, W) uint8 ground truth: 0 normal, 1 anomaly, 255 ignore."""

    name: str
    image: NDArray[np.uint8]
    target: NDArray[np.uint8]


def read(root: Path, name: str) -> Iterator[AnomalyExample]:
    """Yield the images of one set.

    Args:
        root: Folder that holds ``road_anomaly_val/<name>/{images,labels_masks}``.
        name: A key of `MASKS`.

    Raises:
        DataError: A folder or file is missing, or a mask holds another value.
        ImageError: A file is no image.
    """
    folder = root / FOLDER / name
    for image_file, mask_file in pairs(folder / 'images', folder / 'labels_masks'):
        image, target = read_labelled(image_file, mask_file, MASKS[name])
        yield AnomalyExample(f'{name}/{image_file.stem}', image, target)
