# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a reader of training data gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.registry import Registry
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.labelled import DataError

__all__ = ['READERS', 'DataError', 'Example', 'Reader', 'histogram', 'open_reader']


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


def open_reader(name: str, root: Path, options: Mapping[str, Any], key: str) -> Iterator[Example]:
    """Return a data set's examples, read as they are asked for.

    Args:
        name: In `READERS`.
        root: Folder of the data sets.
        options: Of the reader.
        key: The recipe's key that holds them, for messages.

    Raises:
        DataError: The reader has no such option, or `step` is no number from 1 on.
        KeyError: There is no such reader.
    """
    step = options.get('step', 1)
    if not isinstance(step, int) or isinstance(step, bool) or step < 1:
        msg = f'recipe key {key}.{name}.step: received {step!r}, expected a whole number from 1 on'
        raise DataError(msg)
    try:
        return READERS.get(name)(root, **options)
    except TypeError as error:
        msg = f'recipe key {key}.{name}: {error}'
        raise DataError(msg) from error


def histogram(examples: Iterable[Example]) -> NDArray[np.int64]:
    """Count label values over examples: (256,) pixels, index = label."""
    counts = np.zeros(256, np.int64)
    for example in examples:
        if example.labels is not None:
            counts += np.bincount(example.labels.ravel(), minlength=256)
    return counts
