# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a reader gives, and the checks that all readers share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.registry import Registry
from anomaly_seg_ros.size import Size
from anomaly_seg_training.errors import LabError


class DataError(LabError):
    """A data set is missing or does not hold what its reader expects."""


@dataclass(frozen=True)
class Example:
    """One image of a data set.

    Args:
        name: Unique within all data sets: data set, split and file or frame.
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8 Cityscapes train ids, 255 = ignore; None without ground truth.
        view: The size at which the image shows the world as large as Cityscapes does at
            1024x512; the teacher sees it at this size, and augmentation scales are relative to it.
        taught: Whether the teacher's predictions on this image are worth learning.
        foreign: Whether the camera differs so much from the teacher's that only predictions on
            which several looks at the image agree are worth learning.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None
    view: Size
    taught: bool = True
    foreign: bool = False


Reader = Callable[..., Iterator[Example]]
READERS: Registry[Reader] = Registry('data set')


def pairs(images: Path, labels: Path, suffix: str = '.png') -> list[tuple[Path, Path]]:
    """Return (image, label map) files of the same stem, sorted.

    Raises:
        DataError: A folder is missing or empty, or an image has no label map.
    """
    from anomaly_seg_ros.images import IMAGE_SUFFIXES

    for folder in (images, labels):
        if not folder.is_dir():
            msg = f'there is no folder {folder}: pass the folder that holds the data sets'
            raise DataError(msg)
    files = sorted(f for f in images.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        msg = f'{images} holds no image, expected files like {", ".join(IMAGE_SUFFIXES[:4])}'
        raise DataError(msg)
    result = [(file, labels / f'{file.stem}{suffix}') for file in files]
    for file, target in result:
        if not target.is_file():
            msg = f'{file} has no label map {target}'
            raise DataError(msg)
    return result


def check_labels(labels: NDArray[np.uint8], allowed: Collection[int], what: str) -> None:
    """Refuse label values that the data set does not define.

    Raises:
        DataError: There are others; the message lists them.
    """
    unknown = sorted(set(np.unique(labels).tolist()) - set(allowed))
    if unknown:
        msg = (
            f'{what} holds the label values {unknown[:8]}, expected only '
            f'{min(allowed)}..{max(v for v in allowed if v < 255)} (and 255 where it is defined)'
        )
        raise DataError(msg)


def check_shapes(image: NDArray[np.uint8], labels: NDArray[np.uint8], what: str) -> None:
    """Refuse a label map of another size than its image.

    Raises:
        DataError: The sizes differ.
    """
    if image.shape[:2] != labels.shape:
        msg = (
            f'{what}: the image is {image.shape[1]}x{image.shape[0]} and its label map '
            f'{labels.shape[1]}x{labels.shape[0]}, expected equal sizes'
        )
        raise DataError(msg)


def histogram(examples: Iterable[Example]) -> NDArray[np.int64]:
    """Count label values over examples: (256,) pixels, index = label."""
    counts = np.zeros(256, np.int64)
    for example in examples:
        if example.labels is not None:
            counts += np.bincount(example.labels.ravel(), minlength=256)
    return counts
