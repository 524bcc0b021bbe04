# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a reader of training data gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.registry import Registry
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.labelled import DataError

__all__ = ['READERS', 'DataError', 'Example', 'Reader', 'histogram']


@dataclass(frozen=True)
class Example:
    """One image of a data set.

    Args:
        name: Unique within all data sets: data set, split and file or frame.
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8 indices in `classes`, 255 = ignore; None without ground truth.
        view: The size at which the image shows the world as large as Cityscapes does at
            1024x512; the teacher sees it at this size, and augmentation scales are relative to it.
        taught: Whether the teacher's predictions on this image are worth learning.
        foreign: Whether the camera differs so much from the teacher's that only predictions on
            which several looks at the image agree are worth learning.
        classes: Names of what the labels mean: Cityscapes' train ids unless told otherwise.
        unknown: (H, W) bool, True where the image shows none of the classes and a fine-tuning is
            to learn that; labels are 255 there. None where nothing is known of it.
        exact: Crops keep every pixel as it is, at its size: what the image means lies in
            differences that resizing would blur.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None
    view: Size
    taught: bool = True
    foreign: bool = False
    classes: tuple[str, ...] = CITYSCAPES.names
    unknown: NDArray[np.bool_] | None = None
    exact: bool = False


Reader = Callable[..., Iterator[Example]]
READERS: Registry[Reader] = Registry('data set')


def histogram(examples: Iterable[Example]) -> NDArray[np.int64]:
    """Count label values over examples: (256,) pixels, index = label."""
    counts = np.zeros(256, np.int64)
    for example in examples:
        if example.labels is not None:
            counts += np.bincount(example.labels.ravel(), minlength=256)
    return counts
