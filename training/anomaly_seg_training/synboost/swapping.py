# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anomalies that are made from labels: instances take another class (Lis et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE

THINGS = (11, 12, 13, 14, 15, 16, 17, 18)
"""Train ids whose objects are counted: person to bicycle."""
CLASS_WEIGHTS = {
    0: 3, 1: 1, 2: 1, 3: 1, 4: 1, 7: 1, 8: 1, 9: 1, 11: 3, 12: 1, 13: 7, 14: 1, 15: 1, 17: 1,
    18: 1,
}  # fmt: skip
"""New class by train id -> how often it is drawn. Weighted as classes are frequent: uniform
draws would teach that trucks and buses are anomalies."""


def find_instances(
    labels: NDArray[np.uint8], classes: Sequence[int] = THINGS
) -> NDArray[np.int32]:
    """Number the connected regions of each class, for data without instances.

    Args:
        labels: (H, W) train ids.
        classes: Of which regions are counted.

    Returns:
        (H, W), 0 where nothing is counted.
    """
    result = np.zeros(labels.shape, np.int32)
    found = 0
    for label in classes:
        mask = labels == label
        if mask.any():
            count, regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
            result[mask] = regions[mask] + found
            found += count - 1
    return result


def swap_instances(
    labels: NDArray[np.uint8],
    instances: NDArray[np.integer],
    rng: np.random.Generator,
    least_area: int,
    weights: dict[int, int] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Give some instances another class.

    Of n instances that are large enough floor(u n) with u uniform in [0, 1) are changed, but at
    least one, so that no example is without an anomaly unless nothing can be changed.

    Args:
        labels: (H, W) train ids.
        instances: (H, W), 0 = none.
        rng: Source of all draws.
        least_area: Pixels of the smallest instance that is changed.
        weights: New class -> how often it is drawn; `CLASS_WEIGHTS` if None. An instance's own
            class is not drawn.

    Returns:
        The changed labels, and where they are changed.
    """
    weights = CLASS_WEIGHTS if weights is None else weights
    numbers, counts = np.unique(instances, return_counts=True)
    large = numbers[(numbers > 0) & (counts >= least_area)]
    changed, where = labels.copy(), np.zeros(labels.shape, bool)
    if not len(large):
        return changed, where
    many = max(1, int(rng.random() * len(large)))
    for number in rng.permutation(large)[:many]:
        mask = instances == number
        own = int(np.bincount(labels[mask], minlength=256).argmax())
        if own == IGNORE:
            continue
        others = [label for label in weights if label != own]
        shares = np.array([weights[label] for label in others], float)
        changed[mask] = others[int(rng.choice(len(others), p=shares / shares.sum()))]
        where |= mask
    return changed, where
