# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a node's process starts, spins and ends: exit code 0 on any number of interrupts."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import uninstall_signal_handlers

from anomaly_seg_ros.errors import AnomalySegError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_LONGEST_WAIT = 0.5
"""Seconds."""


def run_node(make_node: Callable[[], Any], args: Sequence[str] | None = None) -> int:
    """Make a node, spin it until the process is told to stop, clean up.

    The node's `close` method, where it has one, is called before it is destroyed.

    Args:
        make_node: Makes the node; called after rclpy is initialised.
        args: Command line arguments, `sys.argv` by default.

    Returns:
        The exit code: 0 after SIGINT or SIGTERM, 2 when the user's parameters are refused.
    """
    node = None
    executor = None
    try:
        try:
            # rclpy's own handlers end spinning; Python's would raise in the middle of a callback,
            # where an interrupt can leave half a result, or even the exit code of a crash.
            early = _Noted()
            for number in _SIGNALS:
                signal.signal(number, early.note)
            rclpy.init(args=None if args is None else list(args))
            if early.signalled:
                raise KeyboardInterrupt
            node = make_node()
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            # A signal can come where rclpy wakes no wait; none lasts longer than this.
            while rclpy.ok() and not early.signalled:
                executor.spin_once(timeout_sec=_LONGEST_WAIT)
        finally:
            # A terminal and a launch process both forward Ctrl-C, so a second interrupt arrives
            # within milliseconds; it must not end the clean-up half way.
            _ignore_interrupts()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (AnomalySegError, ParameterException) as error:
        print(f'{_program()}: error: {error}', file=sys.stderr)
        return 2
    except Exception:
        # Endpoints made while the process is being stopped fail in many ways; that is no error.
        if rclpy.ok():
            raise
    finally:
        _ignore_interrupts()
        # rclpy's thread wakes executors for each signal, without any lock: at the second interrupt
        # it would read what the first one has them destroy here. This waits for its end.
        uninstall_signal_handlers()
        _ignore_interrupts()
        if executor is not None:
            executor.shutdown()
        if node is not None:
            if hasattr(node, 'close'):
                node.close()
            node.destroy_node()
        rclpy.try_shutdown()
        # rclpy puts back the interrupt handler that it found at its start.
        _ignore_interrupts()
    return 0


class _Noted:
    """Remembers a signal that comes before rclpy listens; rclpy passes later ones on too."""

    def __init__(self) -> None:
        self.signalled = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        self.signalled = True


def _ignore_interrupts() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # rclpy restores handlers while it shuts down and again when the interpreter ends; a signal
    # that is blocked waits for longer than the process lives.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _program() -> str:
    return sys.argv[0].rsplit('/', 1)[-1].removesuffix('.py')
