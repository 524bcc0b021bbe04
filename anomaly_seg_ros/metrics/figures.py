# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AUROC, AP, FPR95, best F1 and curves from one sweep over the thresholds, exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.metrics.curves import AnomalyCurves, Curve, ThinnedCurve
from anomaly_seg_ros.metrics.runs import Run
from anomaly_seg_ros.metrics.sweep import BLOCK, Step, steps

RECALL = 0.95
"""The recall at which the false positive rate is read."""
_AT_HAND = 1 << 16
_UNITS = 1 << 52
_HALF = 26


@dataclass(frozen=True)
class AnomalyResult:
    """Figures of one set, fractions in [0, 1]; None where a class is absent.

    A point of the ROC curve is a distinct score taken as threshold: pixels with at least this
    score are alarms.

    Args:
        auroc: Area under the ROC curve; equal scores count one half.
        ap: Average precision, the sum of (recall step) x precision over distinct scores.
        fpr95: False positive rate at the first point with recall >= 0.95 (Fishyscapes,
            SegmentMeIfYouCan, SynBoost).
        fpr95_nearest: At the point whose recall is nearest to 0.95, the first of several: the
            least of x over the nearest y of an ROC curve. It may lie below 0.95.
        fpr95_caos: The same, but the last of several, as the evaluator of CAOS does, which starts
            at the lowest threshold at which all anomalous pixels are found (CAOS, PEBAL, PAnS).
            It differs from the former by the normal pixels between two anomalous scores.
        fpr95_interpolated: At recall 0.95 on the line between two points (SML, ood-metrics).
        best_f1: The highest F1 score over all thresholds.
        best_f1_threshold: The highest threshold that reaches it; score >= threshold. See
            `best_f1_mask_threshold` for masks.
        pixels: Pixels that count: normal and anomalous ones.
        anomalous_pixels: Anomalous pixels.
        images: Images that were added, of per-image means those that count.
    """

    auroc: float | None
    ap: float | None
    fpr95: float | None
    fpr95_nearest: float | None
    fpr95_caos: float | None
    fpr95_interpolated: float | None
    best_f1: float | None
    best_f1_threshold: float | None
    pixels: int
    anomalous_pixels: int
    images: int

    @property
    def best_f1_mask_threshold(self) -> float | None:
        """One step lower: where masks are score > threshold, as elsewhere, the same alarms."""
        if self.best_f1_threshold is None:
            return None
        return float(np.nextafter(np.float32(self.best_f1_threshold), np.float32(-math.inf)))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON; an infinite threshold is None, JSON has no infinity."""
        fields = asdict(self)
        threshold = self.best_f1_threshold
        if threshold is not None and not math.isfinite(threshold):
            fields['best_f1_threshold'] = None
        return fields


def undefined(pixels: int, anomalous_pixels: int, images: int) -> AnomalyResult:
    """Return a result without figures."""
    return AnomalyResult(
        auroc=None,
        ap=None,
        fpr95=None,
        fpr95_nearest=None,
        fpr95_caos=None,
        fpr95_interpolated=None,
        best_f1=None,
        best_f1_threshold=None,
        pixels=pixels,
        anomalous_pixels=anomalous_pixels,
        images=images,
    )


def figures(
    positives: Sequence[Run],
    negatives: Sequence[Run],
    images: int,
    points: int,
    block: int = BLOCK,
) -> tuple[AnomalyResult, AnomalyCurves | None]:
    """Return all figures and the curves of scores; no curves where a class is absent.

    Args:
        positives: Scores of anomalous pixels.
        negatives: Scores of normal pixels.
        images: To state in the result.
        points: Most points of a curve, at least 4.
        block: Scores to hold in memory at once.
    """
    n_pos, n_neg = sum(run.size for run in positives), sum(run.size for run in negatives)
    if n_pos == 0 or n_neg == 0:
        # Without normal pixels every precision is 1; it says nothing, so it is not reported.
        return undefined(n_pos + n_neg, n_pos, images), None
    sweep = _Sweep(n_pos, n_neg, points)
    # Many arrays have a value for each anomalous pixel at hand: few enough for the cache.
    block = min(block, max(_AT_HAND, _AT_HAND * (n_pos + n_neg) // n_pos))
    for step in steps(positives, negatives, block):
        sweep.add(step)
    return sweep.result(images), sweep.curves(min(float(run.sample[0]) for run in negatives))


class _Sweep:
    """Takes the thresholds from the highest down; the result is the same in any portions."""

    def __init__(self, n_pos: int, n_neg: int, points: int) -> None:
        self._n_pos, self._n_neg = n_pos, n_neg
        self._found = 0
        self._wins2 = 0
        self._precision = 0
        self._first: int | None = None
        self._interpolated: float | None = None
        # Least distance from the recall wanted; false positives at its first and last point.
        self._nearest = (math.inf, 0)
        self._caos = (math.inf, 0)
        self._caos_is_open = False
        self._best_f1 = (-1.0, math.inf)
        self._roc = ThinnedCurve(points, (0.0, 0.0))
        self._pr = ThinnedCurve(points, (0.0, 1.0))
        self._alarms = 0

    def add(self, step: Step) -> None:
        """Take the next thresholds."""
        n_pos, n_neg = self._n_pos, self._n_neg
        after = self._found + np.cumsum(step.positives)
        before = after - step.positives
        alarms = after + step.not_below
        # Twice the pairs that are in order, equal scores counted half: whole numbers, so the
        # order of summing cannot matter.
        beaten2 = 2 * n_neg - step.above - step.not_below
        if n_pos * n_neg >= 1 << 62:
            beaten2 = beaten2.astype(object)
        self._wins2 += int(step.positives @ beaten2)
        precision = after / alarms
        # In whole units of 2^-52, so that here too no order, no portions and no merging matter.
        units = np.rint(precision * _UNITS).astype(np.int64)
        high, low = units >> _HALF, units & ((1 << _HALF) - 1)
        self._precision += (int(step.positives @ high) << _HALF) + int(step.positives @ low)
        recall = after / n_pos
        self._read_fpr(step, recall, before)
        f1 = 2 * after / (alarms + n_pos)
        best = int(np.argmax(f1))
        if f1[best] > self._best_f1[0]:
            self._best_f1 = float(f1[best]), float(step.thresholds[best])
        self._pr.add(recall, precision, step.thresholds, recall)
        self._add_roc(step, before, recall)
        self._found = int(after[-1])

    def result(self, images: int) -> AnomalyResult:
        """Return the figures; all thresholds were taken."""
        n_pos, n_neg = self._n_pos, self._n_neg
        assert self._first is not None
        return AnomalyResult(
            auroc=self._wins2 / (2 * n_pos * n_neg),
            ap=self._precision / (n_pos * _UNITS),
            fpr95=self._first / n_neg,
            fpr95_nearest=self._nearest[1] / n_neg,
            fpr95_caos=self._caos[1] / n_neg,
            fpr95_interpolated=self._interpolated,
            best_f1=self._best_f1[0],
            best_f1_threshold=self._best_f1[1],
            pixels=n_pos + n_neg,
            anomalous_pixels=n_pos,
            images=images,
        )

    def curves(self, lowest: float) -> AnomalyCurves:
        """Return the curves; `lowest` is the lowest score of a normal pixel."""
        roc = self._roc.curve()
        if roc.x[-1] < 1.0:
            ends = (roc.x, 1.0), (roc.y, 1.0), (roc.thresholds, lowest)
            roc = Curve(*(np.append(values, end) for values, end in ends))
        return AnomalyCurves(roc, self._pr.curve())

    def _read_fpr(
        self, step: Step, recall: NDArray[np.float64], before: NDArray[np.int64]
    ) -> None:
        n_pos, n_neg = self._n_pos, self._n_neg
        if self._caos_is_open:
            # The points between two anomalous scores have one recall; this is the last of them.
            self._caos = self._caos[0], int(step.above[0])
            self._caos_is_open = False
        if self._first is None and recall[-1] >= RECALL:
            self._first = int(step.not_below[np.argmax(recall >= RECALL)])
        if self._interpolated is None and recall[-1] > RECALL:
            there = int(np.argmax(recall > RECALL))
            low, high = before[there] / n_pos, recall[there]
            start, stop = step.above[there] / n_neg, step.not_below[there] / n_neg
            share = (RECALL - low) / (high - low)
            self._interpolated = float(start + (stop - start) * share)
        distance = np.abs(recall - RECALL)
        best = int(np.argmin(distance))
        if distance[best] < self._nearest[0]:
            self._nearest = float(distance[best]), int(step.not_below[best])
        if distance[best] <= self._caos[0]:
            last = distance.size - 1 - int(np.argmin(distance[::-1]))
            # At full recall the evaluator takes the first point, not the last.
            full = recall[last] == 1.0
            known = full or last + 1 < distance.size
            there = step.not_below[last] if full or not known else step.above[last + 1]
            self._caos = float(distance[last]), int(there)
            self._caos_is_open = not known

    def _add_roc(self, step: Step, before: NDArray[np.int64], recall: NDArray[np.float64]) -> None:
        """Add two points for each threshold: where the curve leaves the horizontal, and it."""
        fpr = step.not_below / self._n_neg
        is_first = step.above > np.append(self._alarms, step.not_below[:-1])
        self._alarms = int(step.not_below[-1])
        chosen: NDArray[np.int64] | slice = slice(None)
        if not self._roc.takes_all(recall.size + int(np.count_nonzero(is_first))):
            # Both points of most thresholds lie in the interval of the point before.
            chosen = np.union1d(self._roc.moves((fpr + recall) / 2), [recall.size - 1])
        x = np.stack([step.above[chosen] / self._n_neg, fpr[chosen]], axis=1)
        y = np.stack([before[chosen] / self._n_pos, recall[chosen]], axis=1)
        # score > t is score >= the next number above t.
        thresholds = step.thresholds[chosen]
        leaves = np.nextafter(thresholds, np.float32(math.inf))
        thresholds = np.stack([leaves, thresholds], axis=1)
        fresh = np.stack([is_first[chosen], np.ones(len(x), bool)], axis=1)
        x, y = x[fresh], y[fresh]
        self._roc.add(x, y, thresholds[fresh], (x + y) / 2)
