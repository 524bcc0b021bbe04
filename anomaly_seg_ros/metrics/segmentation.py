# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Intersection over union from a confusion matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.metrics.errors import MetricError


@dataclass(frozen=True)
class SegmentationResult:
    """Figures of one set, fractions in [0, 1].

    Args:
        miou: Mean of `iou` over the classes present in the ground truth or in a prediction;
            NaN when no pixel counts.
        iou: Per class true positives / (true positives + false positives + false negatives);
            NaN for a class that is present in neither.
        accuracy: Pixel accuracy, correct pixels / pixels; NaN when no pixel counts.
        pixels: Pixels with a ground-truth class.
        false_positive_rate: Per class the pixels of other classes that are taken for it, of all
            pixels of other classes; NaN where there are none.
    """

    miou: float
    iou: tuple[float, ...]
    accuracy: float
    pixels: int
    false_positive_rate: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, None in place of NaN."""
        return {
            'miou': _or_none(self.miou),
            'iou': [_or_none(value) for value in self.iou],
            'accuracy': _or_none(self.accuracy),
            'pixels': self.pixels,
            'false_positive_rate': [_or_none(value) for value in self.false_positive_rate],
        }


class ConfusionMatrix:
    """Counts of (ground-truth class, predicted class) over all images of a set.

    Args:
        num_classes: Classes are 0 .. num_classes - 1, at most 255; label 255 is ignored.
    """

    def __init__(self, num_classes: int) -> None:
        if not 0 < num_classes <= IGNORE:
            msg = f'expected 1 to {IGNORE} classes, received {num_classes}'
            raise ValueError(msg)
        self.num_classes = num_classes
        # One column more than classes: predictions that name none of them.
        self._counts: NDArray[np.int64] = np.zeros((num_classes, num_classes + 1), np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(C, C + 1) pixels: row = ground truth, column = prediction, last = no class."""
        return np.array(self._counts)

    def update(self, prediction: NDArray[Any], target: NDArray[Any]) -> None:
        """Add one or more images.

        Args:
            prediction: uint8 labels of any shape; a label that is no class counts as wrong.
            target: uint8 labels of the same shape; 255 is ignored.

        Raises:
            MetricError: Shapes or types are wrong or the target holds an unknown label. Nothing
                is added then.
        """
        prediction, target = np.asarray(prediction), np.asarray(target)
        if prediction.shape != target.shape:
            msg = (
                f'the prediction has shape {prediction.shape} and the ground truth '
                f'{target.shape}: expected one label for each pixel of the ground truth'
            )
            raise MetricError(msg)
        if prediction.dtype != np.uint8 or target.dtype != np.uint8:
            msg = f'expected uint8 labels, received {prediction.dtype} and {target.dtype}'
            raise MetricError(msg)
        pairs = (target.astype(np.uint16) << 8) | prediction
        table = np.bincount(pairs.ravel(), minlength=65536).reshape(256, 256)
        rows = table.sum(axis=1)
        unknown = [v for v in range(self.num_classes, IGNORE) if rows[v]]
        if unknown:
            histogram = {v: int(rows[v]) for v in range(256) if rows[v]}
            msg = (
                f'the ground truth holds the labels {unknown}, expected 0 to '
                f'{self.num_classes - 1} and 255 (ignored); all labels: {histogram}'
            )
            raise MetricError(msg)
        classes = self.num_classes
        self._counts[:, :classes] += table[:classes, :classes]
        self._counts[:, classes] += table[:classes, classes:].sum(axis=1)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add the counts of `other`.

        Raises:
            ValueError: The numbers of classes differ.
        """
        if other.num_classes != self.num_classes:
            msg = f'cannot add {other.num_classes} classes to {self.num_classes}'
            raise ValueError(msg)
        self._counts += other._counts

    def compute(self) -> SegmentationResult:
        """Return the figures of everything added so far."""
        square = self._counts[:, : self.num_classes]
        correct = np.diag(square)
        union = self._counts.sum(axis=1) + square.sum(axis=0) - correct
        pixels = int(self._counts.sum())
        if pixels == 0:
            nothing = (math.nan,) * self.num_classes
            return SegmentationResult(math.nan, nothing, math.nan, 0, nothing)
        iou = np.full(self.num_classes, np.nan)
        np.divide(correct, union, out=iou, where=union > 0)
        others = pixels - self._counts.sum(axis=1)
        wrong = np.full(self.num_classes, np.nan)
        np.divide(square.sum(axis=0) - correct, others, out=wrong, where=others > 0)
        return SegmentationResult(
            miou=float(np.nanmean(iou)),
            iou=tuple(float(value) for value in iou),
            accuracy=float(correct.sum()) / pixels,
            pixels=pixels,
            false_positive_rate=tuple(float(value) for value in wrong),
        )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
