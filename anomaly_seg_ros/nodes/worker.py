# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thread that always works on the newest item; older ones that still wait are superseded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


class NewestWorker(Generic[T]):
    """Run a function on items in a thread of its own, the newest first, never two at once.

    The executor's thread stays free, so services answer and superseded items can be counted while
    the function works.

    Args:
        work: Called with one item at a time; it must not raise.
        name: The thread's name.
    """

    def __init__(self, work: Callable[[T], None], name: str = 'worker') -> None:
        self._work = work
        self._condition = threading.Condition()
        self._waiting: T | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, item: T) -> bool:
        """Hand over an item; return whether it superseded one that nobody had begun."""
        with self._condition:
            superseded = self._waiting is not None
            self._waiting = item
            self._condition.notify()
        return superseded

    def stop(self, timeout: float | None = None) -> bool:
        """End the thread after the item in work, drop a waiting one; return whether it ended."""
        with self._condition:
            self._stopped = True
            self._waiting = None
            self._condition.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._waiting is None and not self._stopped:
                    self._condition.wait()
                if self._stopped:
                    return
                item, self._waiting = self._waiting, None
            if item is not None:
                self._work(item)
            # An idle thread must not keep the last image alive.
            item = None
