# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AUROC, AP and FPR95 over all pixels of a set, exact.

The protocol is that of Fishyscapes (Blum et al. 2021, "The Fishyscapes Benchmark"): the pixels
of all images are pooled, scores are float32 and higher is more anomalous, pixels that are
neither 0 nor 1 are ignored, equal scores share one threshold, average precision is the step sum
and FPR95 is read at the first threshold that reaches 95 % recall.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.metrics.errors import MetricError

RECALL = 0.95
"""The recall at which the false positive rate is read."""


@dataclass(frozen=True)
class AnomalyResult:
    """Figures of one set, fractions in [0, 1]; NaN where a class is absent.

    Args:
        auroc: Area under the ROC curve; equal scores count one half.
        ap: Average precision, the sum of (recall step) x precision.
        fpr95: False positive rate at the first threshold with recall >= 0.95.
        pixels: Pixels that count: normal and anomalous ones.
        positives: Anomalous pixels.
    """

    auroc: float
    ap: float
    fpr95: float
    pixels: int
    positives: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, None in place of NaN."""
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self).items()
        }


class AnomalyMetrics:
    """Pools scores over images and computes the exact figures of all of them.

    Memory: 4 bytes per pixel that counts, twice that for a moment in `compute`; 50 images of
    1024x512 take 105 MB.

    Args:
        max_pixels: Refuse to pool more than this, so that a long replay cannot use up the
            machine's memory; None for no limit.
    """

    def __init__(self, max_pixels: int | None = None) -> None:
        self.max_pixels = max_pixels
        self._normal: list[NDArray[np.float32]] = []
        self._anomalous: list[NDArray[np.float32]] = []
        self._pixels = 0

    @property
    def pixels(self) -> int:
        """The number of pixels pooled so far."""
        return self._pixels

    def update(self, score: NDArray[Any], target: NDArray[Any]) -> None:
        """Add one or more images.

        Args:
            score: Floats of any shape, higher = more anomalous; rounded to float32. Infinities
                are scores like any other.
            target: Integers of the same shape: 0 normal, 1 anomaly, 255 ignored.

        Raises:
            MetricError: Shapes differ, the target holds another value, a score that counts is
                NaN, or `max_pixels` would be exceeded. Nothing is added then.
        """
        score, target = np.asarray(score), np.asarray(target)
        if score.shape != target.shape:
            msg = (
                f'the score has shape {score.shape} and the ground truth {target.shape}: '
                'expected one score for each pixel of the ground truth'
            )
            raise MetricError(msg)
        if not np.issubdtype(score.dtype, np.floating):
            msg = f'received scores of type {score.dtype}, expected floats'
            raise MetricError(msg)
        is_anomalous = target == 1
        is_normal = target == 0
        anomalous, normal = score[is_anomalous], score[is_normal]
        counted = anomalous.size + normal.size
        if counted != target.size and counted + np.count_nonzero(target == IGNORE) != target.size:
            values, counts = np.unique(target, return_counts=True)
            histogram = dict(zip(values.tolist(), counts.tolist(), strict=True))
            msg = (
                f'the anomaly ground truth holds the values {histogram} (value: pixels), '
                'expected 0 (normal), 1 (anomaly) and 255 (ignored)'
            )
            raise MetricError(msg)
        nans = int(np.isnan(anomalous).sum()) + int(np.isnan(normal).sum())
        if nans:
            msg = f'{nans} of {counted} scores are NaN: expected a number for each pixel'
            raise MetricError(msg)
        if self.max_pixels is not None and self._pixels + counted > self.max_pixels:
            msg = (
                f'{self._pixels} pixels are pooled and {counted} more came, the limit is '
                f'{self.max_pixels} (4 bytes each): evaluate fewer frames or raise the limit'
            )
            raise MetricError(msg)
        self._anomalous.append(anomalous.astype(np.float32, copy=False))
        self._normal.append(normal.astype(np.float32, copy=False))
        self._pixels += counted

    def merge(self, other: AnomalyMetrics) -> None:
        """Add everything that `other` has pooled.

        Raises:
            MetricError: `max_pixels` would be exceeded.
        """
        if self.max_pixels is not None and self._pixels + other.pixels > self.max_pixels:
            msg = f'{self._pixels} + {other.pixels} pixels exceed the limit {self.max_pixels}'
            raise MetricError(msg)
        self._anomalous.extend(other._anomalous)
        self._normal.extend(other._normal)
        self._pixels += other.pixels

    def compute(self) -> AnomalyResult:
        """Return the figures of everything added so far; more may be added afterwards."""
        positives = _gather(self._anomalous)
        negatives = _gather(self._normal)
        # Recall changes only at the scores of anomalous pixels, so they are all the thresholds
        # that matter: exact figures without a curve over every pixel.
        thresholds, counts = np.unique(positives, return_counts=True)
        below = np.searchsorted(negatives, thresholds, side='left').astype(np.int64)
        not_above = np.searchsorted(negatives, thresholds, side='right').astype(np.int64)
        return result_of_counts(counts, below, not_above, negatives.size)


def result_of_counts(
    positives: NDArray[np.int64],
    below: NDArray[np.int64],
    not_above: NDArray[np.int64],
    negatives: int,
) -> AnomalyResult:
    """Return the exact figures from what lies around each score of an anomalous pixel.

    Args:
        positives: (T,) anomalous pixels at each of their distinct scores, in ascending order of
            the scores.
        below: (T,) normal pixels with a lower score.
        not_above: (T,) normal pixels with the same or a lower score.
        negatives: All normal pixels.
    """
    counts = positives.astype(np.int64)
    n_pos, n_neg = int(counts.sum()), int(negatives)
    if n_pos == 0 or n_neg == 0:
        # Without normal pixels every precision is 1; it says nothing, so it is not reported.
        return AnomalyResult(math.nan, math.nan, math.nan, n_pos + n_neg, n_pos)
    auroc = float(np.sum(counts * (below + not_above))) / (2.0 * n_pos * n_neg)
    # From the highest threshold down: true and false positives at score >= threshold.
    true_positives = np.cumsum(counts[::-1])
    false_positives = n_neg - below[::-1]
    precision = true_positives / (true_positives + false_positives)
    ap = float(np.sum(precision * counts[::-1])) / n_pos
    first = int(np.argmax(true_positives / n_pos >= RECALL))
    fpr95 = float(false_positives[first]) / n_neg
    return AnomalyResult(auroc, ap, fpr95, n_pos + n_neg, n_pos)


def _gather(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Sort all parts into one array, which takes their place."""
    if len(parts) == 1 and not parts[0].flags.writeable:
        return parts[0]
    whole = np.concatenate(parts) if parts else np.empty(0, np.float32)
    parts.clear()
    whole.sort()
    # Marks the array as sorted, and keeps it so.
    whole.flags.writeable = False
    parts.append(whole)
    return whole
