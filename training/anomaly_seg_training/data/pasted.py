# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Street scenes with objects of COCO that no class describes: for tuning, never for reporting.

Cut-outs are pasted as Fishyscapes Static does (Blum et al. 2021): most of them standing on the
road, smaller the higher in the image, their brightness drawn towards their surroundings, their
edges softened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_training.data import camvid, cityscapes, coco
from anomaly_seg_training.data.anomaly import AnomalyExample
from anomaly_seg_training.data.base import Example
from anomaly_seg_training.data.labelled import DataError
from anomaly_seg_training.proxies.base import Proxy
from anomaly_seg_training.proxies.coco import ProxyRules, read_objects

KNOWN_OR_LIKE = frozenset((*coco.TO_CITYSCAPES, *coco.LIKE_KNOWN))
"""COCO's categories that Cityscapes knows, and those much like them."""
RULES = ProxyRules(
    classes=[], also_drop=[], drop_ids=sorted(KNOWN_OR_LIKE), min_area=1500, min_side=1, margin=1,
    contact=1.0, one_part=False, trim=0, limit=0,
)  # fmt: skip
"""Objects that touch others are taken too: what is looked for on the road is not alone there."""
BASES = ('cityscapes/train', 'cityscapes/val', 'camvid/train', 'camvid/val', 'camvid/test')

_ON_ROAD = 0.7
_HEIGHTS = (0.03, 0.3)
"""Heights of pasted objects as shares of the image's."""


def cutouts(root: Path, split: str = 'train2017') -> list[Proxy]:
    """Return the whole unknown objects of a split.

    Objects that touch the border of their photograph, crowds and small objects are left out.

    Raises:
        DataError: The annotations are missing or not in COCO's format.
        ProxyError: They hold no such object.
    """
    folder = root / coco.FOLDER
    file = folder / 'annotations' / f'instances_{split}.json'
    return read_objects(file, folder / 'images' / split, RULES)


def read(
    root: Path,
    *,
    base: str = 'cityscapes/train',
    split: str = 'train2017',
    copies: int = 1,
    step: int = 1,
    objects: int = 3,
    seed: int = 0,
    road: bool = False,
) -> Iterator[AnomalyExample]:
    """Yield scenes with pasted objects at the size of the scene.

    Args:
        root: Folder of the data sets.
        base: One of `BASES`.
        split: Of COCO: ``train2017`` or ``val2017``.
        copies: How often each scene comes, with other objects.
        step: Take every `step`-th scene.
        objects: Per scene.
        seed: Of all draws.
        road: Label drivable pixels and objects on them alone, as Lost and Found does (Pinggera et
            al., Lost and Found, IROS 2016).

    Yields:
        Targets are 1 on objects, 255 where the scene has no label, 0 elsewhere.

    Raises:
        DataError: A data set is missing or wrong.
        ProxyError: No object may be pasted.
    """
    objects_of_split = cutouts(root, split)
    for number, scene in enumerate(_scenes(root, base, step)):
        for copy in range(copies):
            rng = np.random.default_rng((seed, BASES.index(base), number, copy))
            chosen = rng.choice(len(objects_of_split), objects)
            image, target = paste(scene, [objects_of_split[i] for i in chosen], rng)
            if road:
                target = _of_road(scene, target)
            yield AnomalyExample(f'{scene.name}/{copy}', image, target)


def paste(
    scene: Example, objects: Sequence[Proxy], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Put objects into a labelled scene.

    Returns:
        Image (H, W, 3) uint8 and target (H, W) uint8, 0 normal, 1 anomaly, 255 ignore.
    """
    assert scene.labels is not None
    image = scene.image.copy()
    target = np.where(scene.labels == IGNORE, IGNORE, 0).astype(np.uint8)
    height, width = target.shape
    road_rows, road_columns = np.nonzero(np.isin(scene.labels, CITYSCAPES.drivable))
    for thing in objects:
        # Objects that stand high in the image are far away and small.
        if len(road_rows) and rng.random() < _ON_ROAD:
            place = int(rng.integers(len(road_rows)))
            foot, middle = int(road_rows[place]), int(road_columns[place])
            highest = _HEIGHTS[1] * max(foot / height - 0.35, 0.1) / 0.65
        else:
            foot, middle = int(rng.integers(height // 4, height)), int(rng.integers(width))
            highest = _HEIGHTS[1]
        size = float(np.exp(rng.uniform(np.log(_HEIGHTS[0]), np.log(max(highest, 0.04)))))
        factor = size * height / thing.mask.shape[0]
        small = _scaled(thing.image, factor)
        mask = cv2.resize(
            thing.mask, small.shape[1::-1], interpolation=cv2.INTER_NEAREST
        ).astype(np.uint8)  # fmt: skip
        if rng.random() < 0.5:
            small, mask = small[:, ::-1], mask[:, ::-1]
        _blend(image, target, small.astype(np.float32), mask, foot, middle)
    return image, target


def _scaled(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Resize an (h, w, 3) image by areas; no side gets shorter than a pixel."""
    rows, columns = (round(side * factor) for side in image.shape[:2])
    if min(rows, columns) > 0:
        # Told the factor, OpenCV samples by it exactly, not by the rounded size.
        small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    else:
        size = (max(1, columns), max(1, rows))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)


def _of_road(scene: Example, target: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the target with 255 on all but drivable pixels and objects that cover some."""
    assert scene.labels is not None
    drivable = np.isin(scene.labels, CITYSCAPES.drivable)
    _, parts = cv2.connectedComponents((target == 1).astype(np.uint8))
    on_road = np.isin(parts, np.setdiff1d(np.unique(parts[drivable]), [0]))
    return np.select([on_road, drivable & (target == 0)], [1, 0], IGNORE).astype(np.uint8)


def _blend(
    image: NDArray[np.uint8],
    target: NDArray[np.uint8],
    thing: NDArray[np.float32],
    mask: NDArray[np.uint8],
    foot: int,
    middle: int,
) -> None:
    """Write one object into image and target, its lower middle at (foot, middle)."""
    rows, columns = mask.shape
    top, left = foot - rows, middle - columns // 2
    inside = (
        slice(max(top, 0), min(top + rows, image.shape[0])),
        slice(max(left, 0), min(left + columns, image.shape[1])),
    )
    part = (
        slice(inside[0].start - top, inside[0].stop - top),
        slice(inside[1].start - left, inside[1].stop - left),
    )
    if inside[0].stop <= inside[0].start or inside[1].stop <= inside[1].start:
        return
    thing, mask = thing[part], mask[part]
    if not mask.any():
        return
    behind = image[inside].astype(np.float32)
    # Half of the way to the brightness of what is behind it.
    gain = np.sqrt((behind.mean() + 8) / (float(thing[mask > 0].mean()) + 8))
    soft = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0.7)[..., None]
    mixed = soft * np.clip(thing * gain, 0, 255) + (1 - soft) * behind
    image[inside] = np.round(mixed).astype(np.uint8)
    target[inside][mask > 0] = 1


def _scenes(root: Path, base: str, step: int) -> Iterator[Example]:
    if base not in BASES:
        msg = f'received the scenes {base!r}, expected one of: {", ".join(BASES)}'
        raise DataError(msg)
    name, split = base.split('/')
    if name == 'camvid':
        yield from camvid.read(root, splits=(split,), step=step)
    else:
        for number, scene in enumerate(cityscapes.read(root, split=split)):
            if number % step == 0:
                yield scene
