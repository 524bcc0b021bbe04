# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics have answered to a stamp; filled by one thread, awaited by another."""

from __future__ import annotations

import threading
from collections.abc import Collection


class Answers:
    """Wait until every topic of a set has sent a message with the stamp that is expected.

    Args:
        topics: Names of the topics.
    """

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = frozenset(topics)
        self._condition = threading.Condition()
        self._stamp: int | None = None
        self._missing: set[str] = set()

    def expect(self, stamp: int) -> None:
        """Begin to wait for a stamp; call it before the image is sent."""
        with self._condition:
            self._stamp = stamp
            self._missing = set(self._topics)

    def answered(self, topic: str, stamp: int) -> None:
        """Note a message; those with another stamp are late or another's and change nothing."""
        with self._condition:
            if stamp == self._stamp:
                self._missing.discard(topic)
                if not self._missing:
                    self._condition.notify_all()

    def wait(self, seconds: float) -> list[str]:
        """Return the topics that have not answered after at most so many seconds."""
        with self._condition:
            self._condition.wait_for(lambda: not self._missing, seconds)
            return sorted(self._missing)
