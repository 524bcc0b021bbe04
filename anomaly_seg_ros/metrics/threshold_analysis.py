# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a threshold costs and brings: semantic and anomaly accuracy over it.

Lu et al. 2021, "Anomaly-Aware Semantic Segmentation by Leveraging Synthetic-Unknown Data",
section IV F and Fig. 4, draw both accuracies over the threshold delta on the largest probability.
They give no formulas; here a known pixel is right when its class is right and it raises no alarm,
an anomalous pixel when it raises one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.metrics.anomaly import check
from anomaly_seg_ros.metrics.errors import MetricError

_ANOMALY = 1


@dataclass(frozen=True)
class ThresholdResult:
    """Figures at each threshold, fractions in [0, 1]; None where no pixel of a kind counts.

    Args:
        thresholds: (T) ascending; a pixel with a score above it raises an alarm.
        semantic_accuracy: Known pixels whose class is right and that raise no alarm, of all.
        anomaly_accuracy: Anomalous pixels that raise an alarm, of all: the true positive rate.
        false_positive_rate: Known pixels that raise an alarm, of all.
        accuracy: Pixels on the right side of the threshold, of all known and anomalous ones.
        class_false_positive_rate: For each class the false positive rate on its pixels; which
            known things are taken for anomalies.
        class_pixels: Known pixels of each class.
        known_pixels: Pixels with a ground-truth class that are not anomalous.
        anomalous_pixels: Anomalous pixels.
    """

    thresholds: tuple[float, ...]
    semantic_accuracy: tuple[float, ...] | None
    anomaly_accuracy: tuple[float, ...] | None
    false_positive_rate: tuple[float, ...] | None
    accuracy: tuple[float, ...] | None
    class_false_positive_rate: tuple[tuple[float, ...] | None, ...]
    class_pixels: tuple[int, ...]
    known_pixels: int
    anomalous_pixels: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


class ThresholdAnalysis:
    """Counts right pixels and alarms at given thresholds, exactly, in constant memory.

    Args:
        num_classes: Classes are 0 .. num_classes - 1, at most 255.
        thresholds: Finite and ascending; as float32, which scores are.
    """

    def __init__(self, num_classes: int, thresholds: Sequence[float]) -> None:
        if not 0 < num_classes <= IGNORE:
            msg = f'expected 1 to {IGNORE} classes, received {num_classes}'
            raise ValueError(msg)
        self.num_classes = num_classes
        self.thresholds: NDArray[np.float32] = np.asarray(thresholds, np.float32)
        ascending = np.all(np.diff(self.thresholds) > 0) and np.isfinite(self.thresholds).all()
        if self.thresholds.ndim != 1 or self.thresholds.size == 0 or not ascending:
            msg = f'received the thresholds {thresholds!r}, expected distinct ascending numbers'
            raise ValueError(msg)
        # Column b counts pixels whose score is above the first b thresholds and no other; rows
        # are classes, and last the anomalous pixels.
        shape = num_classes + 1, self.thresholds.size + 1
        self._counts: NDArray[np.int64] = np.zeros(shape, np.int64)
        self._right: NDArray[np.int64] = np.zeros(shape[1], np.int64)

    def update(
        self,
        score: NDArray[Any],
        prediction: NDArray[Any],
        labels: NDArray[Any],
        anomaly: NDArray[Any],
    ) -> None:
        """Add one or more images.

        Args:
            score: Floats of any shape, higher = more anomalous; rounded to float32.
            prediction: Integer labels of the same shape.
            labels: Integer labels of the same shape; 255 is ignored.
            anomaly: Integers of the same shape: 0 normal, 1 anomaly, 255 ignored. Pixels that are
                1 count as anomalous whatever their label, pixels that are 0 count as known where
                they have a label.

        Raises:
            MetricError: Shapes differ, labels or anomaly hold an unknown value, or a score is NaN
                where `anomaly` counts. Nothing is added then.
        """
        score, prediction = np.asarray(score), np.asarray(prediction)
        labels, anomaly = np.asarray(labels), np.asarray(anomaly)
        check(score, anomaly)
        if not prediction.shape == labels.shape == score.shape:
            msg = (
                f'the score has shape {score.shape}, the prediction {prediction.shape} and the '
                f'labels {labels.shape}: expected one shape'
            )
            raise MetricError(msg)
        is_anomalous = anomaly == _ANOMALY
        is_known = (anomaly == 0) & (labels != IGNORE)
        known = labels[is_known]
        unknown = np.unique(known[(known < 0) | (known >= self.num_classes)]).tolist()
        if unknown:
            msg = (
                f'the ground truth holds the labels {unknown}, expected 0 to '
                f'{self.num_classes - 1} and 255 (ignored)'
            )
            raise MetricError(msg)
        columns = self.thresholds.size + 1
        above = self._passed(score[is_known])
        places = known.astype(np.int64) * columns + above
        counts = np.bincount(places, minlength=self._counts.size).reshape(self._counts.shape)
        right = prediction[is_known] == known
        counts[-1] = np.bincount(self._passed(score[is_anomalous]), minlength=columns)
        self._counts += counts
        self._right += np.bincount(above[right], minlength=columns)

    def merge(self, other: ThresholdAnalysis) -> None:
        """Add the pixels of `other`.

        Raises:
            ValueError: The classes or the thresholds differ.
        """
        same = np.array_equal(self.thresholds, other.thresholds)
        if self.num_classes != other.num_classes or not same:
            msg = 'cannot add what was counted for other classes or at other thresholds'
            raise ValueError(msg)
        self._counts += other._counts
        self._right += other._right

    def compute(self) -> ThresholdResult:
        """Return the figures of everything added so far."""
        # Of each row the pixels above each threshold: those in all later columns.
        totals = self._counts.sum(axis=1)
        alarms = totals[:, None] - np.cumsum(self._counts, axis=1)[:, :-1]
        right = np.cumsum(self._right)[:-1]
        known, anomalous = int(totals[:-1].sum()), int(totals[-1])
        false_alarms, found = alarms[:-1].sum(axis=0), alarms[-1]
        pairs = zip(alarms[:-1], totals[:-1].tolist(), strict=True)
        return ThresholdResult(
            thresholds=tuple(self.thresholds.tolist()),
            semantic_accuracy=_shares(right, known),
            anomaly_accuracy=_shares(found, anomalous),
            false_positive_rate=_shares(false_alarms, known),
            accuracy=_shares(known - false_alarms + found, known + anomalous),
            class_false_positive_rate=tuple(_shares(row, total) for row, total in pairs),
            class_pixels=tuple(totals[:-1].tolist()),
            known_pixels=known,
            anomalous_pixels=anomalous,
        )

    def _passed(self, score: NDArray[Any]) -> NDArray[np.int64]:
        """Return how many thresholds each score is above."""
        with np.errstate(over='ignore'):
            score = score.astype(np.float32, copy=False)
        return np.searchsorted(self.thresholds, score, side='left').astype(np.int64, copy=False)


def _shares(counts: NDArray[np.int64], total: int) -> tuple[float, ...] | None:
    return tuple((counts / total).tolist()) if total else None
