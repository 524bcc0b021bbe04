# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Classes by their names: sets of them, and labels of one set told in another."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE, ClassSet
from anomaly_seg_training.data import Example
from anomaly_seg_training.errors import LabError

DRIVABLE = ('road', 'road line', 'lane marking')
_GOLDEN = 0.618034
"""Steps around the circle of hues that stay far from each other."""


def class_set(names: Sequence[str]) -> ClassSet:
    """Return the set of these classes; without names that of Cityscapes.

    Names of Cityscapes have its colours, others bright ones of their own.

    Raises:
        LabError: A name is twice there.
    """
    if not names:
        return CITYSCAPES
    palette = []
    for index, name in enumerate(names):
        if name in CITYSCAPES.names:
            palette.append(CITYSCAPES.palette[CITYSCAPES.names.index(name)])
        else:
            red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.7, 0.95)
            palette.append((round(255 * red), round(255 * green), round(255 * blue)))
    drivable = tuple(index for index, name in enumerate(names) if name in DRIVABLE)
    try:
        return ClassSet(tuple(names), tuple(palette), drivable)
    except ValueError as error:
        raise LabError(str(error)) from error


def name_table(names: Sequence[str], classes: ClassSet, what: str) -> NDArray[np.uint8]:
    """Return the label in `classes` of each index in `names`, by equal names, (256,) uint8.

    What has no equal is ignored.

    Raises:
        LabError: No name has one.
    """
    table = np.full(256, IGNORE, np.uint8)
    for index, name in enumerate(names):
        if name in classes.names:
            table[index] = classes.names.index(name)
    if (table == IGNORE).all():
        msg = (
            f'{what} knows {", ".join(names)}, the segmenter {", ".join(classes.names)}: expected '
            'common names'
        )
        raise LabError(msg)
    return table


def named(example: Example, classes: ClassSet) -> Example:
    """Return the example with its labels told in `classes`, by equal names.

    Raises:
        LabError: It has labels, but no name in common.
    """
    if example.labels is None or example.classes == classes.names:
        return example
    table = name_table(example.classes, classes, example.name)
    return replace(example, labels=table[example.labels], classes=classes.names)
