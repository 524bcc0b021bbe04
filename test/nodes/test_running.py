# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a node's process ends: whoever wakes executors has left before they go."""

from __future__ import annotations

import subprocess
import sys

import pytest

NODE = """
import os
import signal

from rclpy.executors import Executor
from rclpy.node import Node

from anomaly_seg_ros.nodes import running


def said(word, function):
    def speaking(*arguments, **options):
        print(word)
        return function(*arguments, **options)

    return speaking


running.uninstall_signal_handlers = said('uninstall', running.uninstall_signal_handlers)
Executor.shutdown = said('shutdown', Executor.shutdown)


class Interrupted(Node):
    def __init__(self):
        super().__init__('interrupted')
        self.create_timer(0.05, self.interrupt)

    def interrupt(self):
        for _ in range(3):
            os.kill(os.getpid(), signal.{name})

    def close(self):
        print('close')


raise SystemExit(running.run_node(Interrupted))
"""


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM'])
def test_executors_go_after_the_thread_that_wakes_them(name: str) -> None:
    """Otherwise a second interrupt makes rclpy read what the first has destroyed."""
    done = subprocess.run(
        [sys.executable, '-c', NODE.replace('{name}', name)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.split() == ['uninstall', 'shutdown', 'close']
