# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROC and PR curves, thinned as they grow, so that their size is bounded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.metrics.errors import MetricError

_ENDS = 3
"""Points beside one for each interval: both ends, and one at the end of the last interval."""


@dataclass(frozen=True)
class Curve:
    """Points of a curve, from the highest threshold to the lowest.

    Args:
        x: (K,) false positive rate (ROC) or recall (PR), not descending.
        y: (K,) true positive rate (ROC) or precision (PR).
        thresholds: (K,) a pixel counts as anomalous when its score is at least this. The first
            is infinite: nothing is anomalous there.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    def as_dict(self) -> dict[str, list[float | None]]:
        """Return lists for JSON, None in place of an infinite threshold."""
        thresholds = [t if math.isfinite(t) else None for t in self.thresholds.tolist()]
        return {'x': self.x.tolist(), 'y': self.y.tolist(), 'thresholds': thresholds}


@dataclass(frozen=True)
class AnomalyCurves:
    """Both curves of one set.

    Args:
        roc: From (0, 0) to (1, 1).
        pr: From (0, 1) by convention to recall 1.
    """

    roc: Curve
    pr: Curve

    def as_dict(self) -> dict[str, Any]:
        """Return lists for JSON."""
        return {'roc': self.roc.as_dict(), 'pr': self.pr.as_dict()}


class ThinnedCurve:
    """Keeps a curve's points while it grows, all of them as long as they are few.

    When they become many, the way along the curve is cut into equal intervals and the first
    point in each is kept, and always both ends. The points kept do not depend on the portions in
    which they came.

    Args:
        points: Most points to return, at least 4.
        first: The point at an infinite threshold.

    Raises:
        MetricError: `points` is less than 4.
    """

    def __init__(self, points: int, first: tuple[float, float]) -> None:
        if points <= _ENDS:
            msg = f'received {points} points for a curve, expected at least {_ENDS + 1}'
            raise MetricError(msg)
        self._points = points
        # Rows: x, y, threshold, way along the curve in [0, 1].
        self._kept = np.array([[first[0]], [first[1]], [math.inf], [0.0]])
        self._last = self._kept
        self._many = False

    def takes_all(self, count: int) -> bool:
        """Tell whether the curve stays short enough to keep every one of `count` more points."""
        return not self._many and count + self._kept.shape[1] < self._points

    def moves(self, way: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the indices of coming points that lie in another interval than the one before.

        Points in between need not be added, save the last. From now on the curve is thinned.
        """
        self._many = True
        interval = self._interval(way)
        before = np.concatenate([self._interval(self._last[3]), interval[:-1]])
        return np.flatnonzero(interval != before)

    def add(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        thresholds: NDArray[np.float32],
        way: NDArray[np.float64],
    ) -> None:
        """Add points behind the last one; `way` in [0, 1] does not descend."""
        self._many = not self.takes_all(x.size)
        chosen = self._firsts(way) if self._many else np.arange(x.size)
        new = np.stack([x[chosen], y[chosen], thresholds[chosen].astype(float), way[chosen]])
        self._kept = np.concatenate([self._kept, new], axis=1)
        if self._many:
            self._kept = self._kept[:, self._firsts(self._kept[3])]
        self._last = np.array([[x[-1]], [y[-1]], [float(thresholds[-1])], [way[-1]]])

    def curve(self) -> Curve:
        """Return the points, the last one among them."""
        kept = self._kept
        if not np.array_equal(kept[:, -1:], self._last):
            kept = np.concatenate([kept, self._last], axis=1)
        return Curve(kept[0], kept[1], kept[2])

    def _firsts(self, way: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of the first point in each interval."""
        interval = self._interval(way)
        return np.concatenate([[0], np.flatnonzero(interval[1:] != interval[:-1]) + 1])

    def _interval(self, way: NDArray[np.float64]) -> NDArray[np.int64]:
        return (way * (self._points - _ENDS)).astype(np.int64)
