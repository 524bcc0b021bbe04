# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What OODMC is fitted on: void pixels of labelled frames, and objects pasted into them.

No pixel of a benchmark is among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.images import read_label_map
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import Example, camvid, cityscapes, pasted
from anomaly_seg_training.data.base import DataError
from anomaly_seg_training.errors import LabError

VOID_IDS = (4, 5)
"""Cityscapes' label ids `static` and `dynamic`: things without a class.

The paper takes every void pixel. Most of those are the own vehicle, the border of rectification
and the region outside the image (ids 1 to 3), which tell a classifier where in the image it is,
not what is unknown; `ground` (6) is a surface to drive on. CamVid's unlabelled pixels are mostly
gaps between labels and are no anomalies either.
"""


@dataclass(frozen=True)
class FitExample:
    """One image with known and unknown pixels.

    Args:
        name: Unique.
        image: (H, W, 3) uint8, RGB.
        target: (H, W) uint8: 0 known, 1 unknown, 255 neither.
        view: The size at which the network sees it.
    """

    name: str
    image: NDArray[np.uint8]
    target: NDArray[np.uint8]
    view: Size


def fit_examples(
    root: Path,
    *,
    seed: int = 0,
    void: bool = True,
    proxies: bool = True,
    copies: int = 1,
    camvid_step: int = 30,
    objects: int = 4,
) -> Iterator[FitExample]:
    """Yield Cityscapes' training frames, then frames of CamVid.

    Args:
        root: Folder of the data sets.
        seed: Of the pasted objects.
        void: Count Cityscapes' void things as unknown.
        proxies: Paste objects of COCO; without them CamVid is not used.
        copies: How often each frame comes, with other objects.
        camvid_step: Take every so many frames of CamVid's training split; 0 for none.
        objects: Per frame.

    Raises:
        DataError: A data set is missing or wrong.
        LabError: Nothing would be unknown.
    """
    if not void and not proxies:
        msg = 'neither void pixels nor pasted objects are asked for: OODMC needs unknown pixels'
        raise LabError(msg)
    things = pasted.cutouts(root) if proxies else []

    def make(scene: Example, number: int, copy: int) -> FitExample:
        assert scene.labels is not None
        image = scene.image
        target = np.where(scene.labels == IGNORE, IGNORE, 0).astype(np.uint8)
        if things:
            rng = np.random.default_rng((seed, number, copy))
            chosen = [things[i] for i in rng.choice(len(things), objects)]
            image, target = pasted.paste(scene, chosen, rng)
        return FitExample(f'{scene.name}/{copy}', image, target, scene.view)

    number = 0
    for scene in cityscapes.read(root, split='train'):
        for copy in range(copies if proxies else 1):
            example = make(scene, number, copy)
            if void:
                is_void = np.isin(_label_ids(root, scene), VOID_IDS)
                example.target[is_void & (example.target == IGNORE)] = 1
            yield example
        number += 1
    if proxies and camvid_step > 0:
        for scene in camvid.read(root, splits=('train',), step=camvid_step):
            for copy in range(copies):
                yield make(scene, number, copy)
            number += 1


def choose_pixels(
    target: NDArray[np.uint8], size: tuple[int, int], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Choose known and unknown pixels of one image, up to `count` of each.

    Args:
        target: (H, W): 0, 1 or 255.
        size: (h, w) of the maps from which the pixels are taken.
        count: At most so many of each.
        rng: Draws them without repetition.

    Returns:
        Their indices in the flattened (h, w) map, and their targets 0 or 1.
    """
    small = cv2.resize(target, size[::-1], interpolation=cv2.INTER_NEAREST).ravel()
    parts = []
    for value in (0, 1):
        places = np.flatnonzero(small == value)
        parts.append(rng.permutation(places)[:count])
    indices = np.concatenate(parts).astype(np.int64)
    return indices, small[indices].astype(np.uint8)


def _label_ids(root: Path, scene: Example) -> NDArray[np.uint8]:
    stem = scene.name.rsplit('/', 1)[1]
    file = root / cityscapes.FOLDER / 'train' / 'labelIds' / f'{stem}.png'
    if not file.is_file():
        msg = f'there is no label map {file}: void pixels need labelIds, or fit without them'
        raise DataError(msg)
    ids = read_label_map(file)
    if ids.shape != scene.image.shape[:2]:
        msg = f'{file} has the size {ids.shape[::-1]}, expected that of its image'
        raise DataError(msg)
    return ids
