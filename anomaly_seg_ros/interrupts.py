# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a program still imports: the end, without a word.

Imports take up to seconds, and an exception raised in the middle of one becomes a traceback, or
even another exception, in code that nobody here wrote. There is nothing to clean up yet.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def leave_at_once(code: int, *signals: signal.Signals) -> None:
    """From now on any of the signals ends the process with an exit code and nothing else.

    Args:
        code: The exit code.
        signals: SIGINT and its like; call it in the main thread.
    """

    def leave(_number: int, _frame: FrameType | None) -> None:
        os._exit(code)

    for number in signals:
        signal.signal(number, leave)


@contextmanager
def leaving_at_once(code: int) -> Iterator[None]:
    """Let SIGINT end the process with an exit code while the block runs; for imports."""
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's business.
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    leave_at_once(code, signal.SIGINT)
    try:
        yield
    finally:
        # None means a handler that was not installed from Python.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
