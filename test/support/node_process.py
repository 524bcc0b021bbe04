# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node of the package as a real process, and a client node beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from anomaly_seg_ros.pipeline.processes import node_environment


class NodeProcess:
    """One node in its own process group; ended when the block is left.

    Args:
        module: Its module in `anomaly_seg_ros.nodes`.
        parameters: ROS parameters.
    """

    def __init__(self, module: str, **parameters: Any) -> None:
        command = [sys.executable, '-m', f'anomaly_seg_ros.nodes.{module}', '--ros-args']
        for key, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            command += ['-p', f'{key}:={text or chr(39) * 2}']
        self.process = subprocess.Popen(
            command,
            env={
                **node_environment(own_graph=False, logs=Path(os.environ['ROS_LOG_DIR'])),
                'PYTHONFAULTHANDLER': '1',
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """Everything it printed so far."""
        return ''.join(self.lines)

    def wait(self, seconds: float = 40.0) -> int:
        """Return the exit code, and have all its text.

        Raises:
            AssertionError: It does not end; the text then says where its threads are.
        """
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(5.0)
            self._reader.join(5.0)
            raise AssertionError(self.text) from None
        self._reader.join(5.0)
        return code

    def wait_for(self, words: str, seconds: float = 40.0) -> None:
        """Wait until it prints something."""
        until(lambda: words in self.text, seconds, lambda: f'{words!r} not in: {self.text}')

    def interrupt(self, times: int = 1, gap: float = 0.01) -> None:
        """Send SIGINT once or several times, as a terminal and a launch process do."""
        for _ in range(times):
            self.process.send_signal(signal.SIGINT)
            time.sleep(gap)

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            # First politely: who is killed stays in the graph for 20 s, where the next test could
            # take it for its own node.
            self.interrupt()
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)


class Client:
    """A node of the test, spun by a thread of its own."""

    def __init__(self) -> None:
        self.node = Node('client')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop spinning and remove the node."""
        self._executor.shutdown()
        self._thread.join(5.0)
        self.node.destroy_node()


def until(
    condition: Callable[[], Any],
    seconds: float = 20.0,
    words: Callable[[], str] = lambda: 'it did not happen in time',
) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: It did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(words())
        time.sleep(0.02)
