# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector counts about its own frames, read from ``/diagnostics``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from anomaly_seg_ros.nodes.statistics import COUNTERS


class DetectorCounters:
    """Follow the counters of one detector.

    Args:
        node: The node that listens.
        detector: Fully qualified name of the detector.
    """

    def __init__(self, node: Any, detector: str) -> None:
        self._name = f'{detector.lstrip("/")}: frames'
        self._before: Counter[str] | None = None
        self._latest: Counter[str] = Counter()
        node.create_subscription(DiagnosticArray, '/diagnostics', self._receive, 10)

    def begin(self) -> None:
        """Count from now on: a detector may have worked before."""
        self._before = Counter(self._latest)

    def since_begin(self) -> Counter[str]:
        """Return how far each counter has risen since `begin`."""
        if self._before is None:
            return Counter()
        # A detector that was started anew counts from zero again.
        return self._latest - self._before

    def _receive(self, message: Any) -> None:
        for status in message.status:
            if status.name == self._name:
                values = {v.key: v.value for v in status.values if v.key in COUNTERS}
                self._latest = Counter(
                    {key: int(value) for key, value in values.items() if value.isdigit()}
                )
