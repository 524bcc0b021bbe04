# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What happened to every frame: counters and the latest latencies, safe between threads."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

RECEIVED = 'received'
PROCESSED = 'processed'
SKIPPED = 'skipped'
LIMITED = 'dropped by max_rate'
UNWANTED = 'without subscribers'
DISABLED = 'while disabled'
REJECTED = 'rejected'
LOST = 'lost by transport'
WENT_BACK = 'stamps that went back'
COUNTERS = (
    RECEIVED, PROCESSED, SKIPPED, LIMITED, UNWANTED, DISABLED, REJECTED, LOST, WENT_BACK,
)  # fmt: skip

ENGINE_MS = 'inference'
OUTSIDE_MS = 'outside inference'
AGE_MS = 'frame age'
LATENCIES = (ENGINE_MS, OUTSIDE_MS, AGE_MS)

_WINDOW = 256


@dataclass(frozen=True)
class Snapshot:
    """The statistics at one moment.

    Args:
        time: Steady time in seconds.
        counts: Frames since the start, by counter.
        latencies: Milliseconds (p50, p95) over the latest 256 frames; absent without frames.
        last_received: Steady time of the latest frame, None before the first.
        last_rejection: Why the latest rejected frame was rejected, '' when none was.
        last_step_back: How far the stamp went back the last time, in seconds.
    """

    time: float
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    latencies: dict[str, tuple[float, float]] = field(default_factory=dict)
    last_received: float | None = None
    last_rejection: str = ''
    last_step_back: float = 0.0


class FrameStatistics:
    """Count frames and keep their latencies; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._latencies: dict[str, deque[float]] = {
            name: deque(maxlen=_WINDOW) for name in LATENCIES
        }
        self._last_received: float | None = None
        self._last_rejection = ''
        self._last_step_back = 0.0

    def count(self, counter: str, number: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[counter] += number

    def received(self, time: float) -> None:
        """Count a frame that arrived at a steady time in seconds."""
        with self._lock:
            self._counts[RECEIVED] += 1
            self._last_received = time

    def rejected(self, reason: str) -> None:
        """Count a frame that could not be used."""
        with self._lock:
            self._counts[REJECTED] += 1
            self._last_rejection = reason

    def went_back(self, seconds: float) -> None:
        """Count a stamp before its predecessor's."""
        with self._lock:
            self._counts[WENT_BACK] += 1
            self._last_step_back = seconds

    def processed(self, **milliseconds: float) -> None:
        """Count a frame whose results were published.

        Args:
            milliseconds: `engine`, `outside` and, where the clock allows it, `age`.
        """
        names = {'engine': ENGINE_MS, 'outside': OUTSIDE_MS, 'age': AGE_MS}
        with self._lock:
            self._counts[PROCESSED] += 1
            for name, value in milliseconds.items():
                self._latencies[names[name]].append(value)

    def snapshot(self, time: float) -> Snapshot:
        """Return a copy of everything, at a steady time in seconds."""
        with self._lock:
            return Snapshot(
                time=time,
                counts={name: self._counts[name] for name in COUNTERS},
                latencies={
                    name: (float(np.percentile(window, 50)), float(np.percentile(window, 95)))
                    for name, window in self._latencies.items()
                    if window
                },
                last_received=self._last_received,
                last_rejection=self._last_rejection,
                last_step_back=self._last_step_back,
            )


def resident_megabytes() -> float:
    """Return the memory that this process occupies, in MB; not-a-number where unknown."""
    try:
        for line in Path('/proc/self/status').read_text('ascii').splitlines():
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return float('nan')
