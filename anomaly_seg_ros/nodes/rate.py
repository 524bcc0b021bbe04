# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A limit on how often something happens."""

from __future__ import annotations


class RateLimiter:
    """Admit at most so many events per second on average, by dropping the others.

    An event that comes a little late lets the next one be a little early, so that the limit is
    reached although camera frames jitter.
    """

    def __init__(self) -> None:
        self._due: float | None = None

    def admit(self, now: float, rate: float) -> bool:
        """Tell whether an event at a time in seconds is within the rate; 0 sets no limit."""
        if rate <= 0.0:
            self._due = None
            return True
        period = 1.0 / rate
        if self._due is None or self._due > now + period:
            self._due = now
        if now < self._due:
            return False
        self._due = max(self._due, now - period) + period
        return True
