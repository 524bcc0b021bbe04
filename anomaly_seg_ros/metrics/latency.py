# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Percentiles of durations."""

from __future__ import annotations

import math

import numpy as np

from anomaly_seg_ros.metrics.errors import MetricError


class LatencyStats:
    """Collects durations; 8 bytes each."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    def __len__(self) -> int:
        """Return how many durations were added."""
        return len(self._seconds)

    def add(self, seconds: float) -> None:
        """Add one duration.

        Raises:
            MetricError: It is negative, infinite or NaN: two clocks were mixed.
        """
        if not math.isfinite(seconds) or seconds < 0:
            msg = f'received a duration of {seconds} s, expected a finite one of at least 0'
            raise MetricError(msg)
        self._seconds.append(seconds)

    def percentile(self, percent: float) -> float:
        """Return a percentile in seconds, linear between neighbours; NaN without durations."""
        if not self._seconds:
            return math.nan
        return float(np.percentile(self._seconds, percent))

    def milliseconds(self) -> dict[str, float | None]:
        """Return ``{'p50': ..., 'p95': ...}`` in milliseconds; None without durations."""
        if not self._seconds:
            return {'p50': None, 'p95': None}
        return {
            'p50': 1000.0 * self.percentile(50.0),
            'p95': 1000.0 * self.percentile(95.0),
        }
