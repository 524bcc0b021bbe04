# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes with what the training-data generator needs: labels, instances, void regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.images import read_label_map
from anomaly_seg_ros.registry import Registry
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import camvid, cityscapes
from anomaly_seg_training.data.labelled import check_labels, check_shapes, pairs, read_labelled
from anomaly_seg_training.data.synthetic import VIEW
from anomaly_seg_training.synboost.swapping import find_instances

LABEL_IDS = range(34)
STATIC, DYNAMIC = 4, 5
UNLABELLED = 11


@dataclass(frozen=True)
class Scene:
    """One image of a data set.

    Args:
        name: Unique within all data sets.
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8 Cityscapes train ids, 255 = void or unknown.
        instances: (H, W) int32, 0 = none.
        void: (H, W) uint8, 1 on regions of the void class, which stand for anomalies, 255 on
            pixels that are not known to be either, 0 on classes.
        view: See `data.Example`.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.int32]
    void: NDArray[np.uint8]
    view: Size


SceneReader = Callable[..., Iterator[Scene]]
SCENES: Registry[SceneReader] = Registry('scene data set')


@SCENES.register('cityscapes')
def read_cityscapes(
    root: Path,
    *,
    split: str = 'train',
    void_ids: Sequence[int] = (STATIC, DYNAMIC),
    least_area: int = 500,
) -> Iterator[Scene]:
    """Yield a split's frames; instances are connected regions.

    Args:
        root: Folder that holds ``cityscapes_mini/<split>/{images,trainIds,labelIds}``.
        split: ``train`` or ``val``.
        void_ids: Label ids that stand for anomalies. Ego vehicle, border of the rectification and
            what lies out of the region of interest do not.
        least_area: Pixels of the smallest void region that does.

    Raises:
        DataError: A folder or file is missing, or a label is unknown.
        ImageError: A file is no image.
    """
    folder = root / cityscapes.FOLDER / split
    for image_file, label_file in pairs(folder / 'images', folder / 'trainIds'):
        image, labels = read_labelled(image_file, label_file, cityscapes.TRAIN_IDS)
        id_file = folder / 'labelIds' / label_file.name
        ids = read_label_map(id_file)
        check_labels(ids, LABEL_IDS, str(id_file))
        check_shapes(image, ids, str(id_file))
        void = void_regions(labels, np.isin(ids, list(void_ids)), least_area)
        name = f'cityscapes/{split}/{image_file.stem}'
        yield Scene(name, image, labels, find_instances(labels), void, cityscapes.VIEW)


@SCENES.register('camvid')
def read_camvid(
    root: Path, *, splits: Sequence[str] = ('train',), step: int = 1, least_area: int = 150
) -> Iterator[Scene]:
    """Yield frames; unlabelled regions are void, bicyclists (two classes in one) ignored.

    Args:
        root: Folder that holds ``camvid/<split>/{images,labels}``.
        splits: Which splits.
        step: Take every `step`-th frame of a split.
        least_area: Pixels of the smallest void region that stands for an anomaly.

    Raises:
        DataError: A folder or file is missing, or a label is unknown.
        ImageError: A file is no image.
    """
    for split in splits:
        folder = root / camvid.FOLDER / split
        for image_file, label_file in pairs(folder / 'images', folder / 'labels')[::step]:
            image, labels = read_labelled(image_file, label_file, camvid.TO_CITYSCAPES)
            unlabelled = read_label_map(label_file) == UNLABELLED
            void = void_regions(labels, unlabelled, least_area)
            name = f'camvid/{split}/{image_file.stem}'
            yield Scene(name, image, labels, find_instances(labels), void, camvid.VIEW)


@SCENES.register('synthetic')
def read_synthetic(
    root: Path, *, clips: int = 40, frames: int = 2, seed: int = 2000, unknown_objects: int = 4
) -> Iterator[Scene]:
    """Yield frames of generated clips, with their own instances; unknown objects are void.

    Args:
        root: Not used.
        clips: Number of clips, each with its own street, weather and light.
        frames: Frames per clip, two seconds apart.
        seed: Of the first clip; the next ones follow.
        unknown_objects: Per clip.
    """
    del root
    from anomaly_seg_ros.synthetic import SceneConfig, StreetClip

    for index in range(clips):
        config = SceneConfig(
            size=VIEW, seed=seed + index, frames=frames, fps=0.5,
            unknown_objects=unknown_objects, traffic=1.5, people=1.5, motion_blur=0.0,
        )  # fmt: skip
        clip = StreetClip(config)
        for number in range(frames):
            frame = clip[number]
            instances = frame.instances.astype(np.int32)
            instances[frame.labels == IGNORE] = 0
            void = np.where(frame.labels == IGNORE, IGNORE, 0).astype(np.uint8)
            void[frame.anomaly == 1] = 1
            name = f'synthetic/{seed + index}/{number}'
            yield Scene(name, frame.image, frame.labels, instances, void, VIEW)


def void_regions(
    labels: NDArray[np.uint8], candidates: NDArray[np.bool_], least_area: int
) -> NDArray[np.uint8]:
    """Tell void regions that stand for anomalies from what is only unknown.

    Args:
        labels: (H, W) train ids, 255 where there is no class.
        candidates: (H, W), pixels of the void class.
        least_area: Smaller connected regions, most of them gaps between annotated objects, do
            not count.

    Returns:
        (H, W) uint8: 1 on anomalies, 255 on other pixels without a class, 0 elsewhere.
    """
    result = np.where(labels == IGNORE, IGNORE, 0).astype(np.uint8)
    mask = (candidates & (labels == IGNORE)).astype(np.uint8)
    _, regions, table, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = table[:, cv2.CC_STAT_AREA] >= least_area
    large[0] = False
    result[large[regions]] = 1
    return result
