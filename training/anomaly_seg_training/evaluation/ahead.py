# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading and writing beside the network, so that neither waits for the other."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar, final

T = TypeVar('T')

_DEPTH = 2
_LOOK = 0.2


def ahead(items: Iterable[T], depth: int = _DEPTH) -> Generator[T, None, None]:
    """Yield the items while a thread already gets the next ones.

    Args:
        items: Iterated in that thread; what it raises is raised here.
        depth: At most so many items wait.
    """
    return _Ahead(items, depth).take()


class _Ahead(Generic[T]):
    def __init__(self, items: Iterable[T], depth: int) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
        self._stopped = threading.Event()

    def take(self) -> Generator[T, None, None]:
        thread = threading.Thread(target=self._fill, daemon=True)
        thread.start()
        try:
            while True:
                good, item = self._queue.get()
                if good:
                    yield item
                elif item is None:
                    return
                else:
                    raise item
        finally:
            self._stopped.set()
            thread.join()

    def _fill(self) -> None:
        try:
            for item in self._items:
                if not self._put((True, item)):
                    return
            self._put((False, None))
        except BaseException as error:  # noqa: BLE001 - it is raised where items are taken
            self._put((False, error))

    def _put(self, entry: tuple[bool, Any]) -> bool:
        """Wait for room; return False when nobody takes items any more."""
        while not self._stopped.is_set():
            try:
                self._queue.put(entry, timeout=_LOOK)
            except queue.Full:
                continue
            return True
        return False


@final
class Behind:
    """Does work in a thread, in order, while the caller goes on; errors come at the next call.

    Args:
        depth: At most so many pieces of work wait, then the caller does.
    """

    def __init__(self, depth: int = _DEPTH) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._depth = depth

    def __enter__(self) -> Behind:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what is under way; raise what went wrong there, unless something else did."""
        self._pool.shutdown(wait=True)
        if error is None:
            for future in self._waiting:
                future.result()

    def do(self, work: Callable[[], None]) -> None:
        """Do a piece of work after those before it.

        Raises:
            BaseException: What an earlier piece raised.
        """
        while len(self._waiting) >= self._depth:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work))
