# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector node in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODULE = 'anomaly_seg_ros.nodes.detector'
REPOSITORY = Path(__file__).resolve().parents[2]


class DetectorProcess:
    """Start ``python -m anomaly_seg_ros.nodes.detector`` and talk to its signals and log.

    Args:
        log: The file for its output.
        namespace: Of the node.
        parameters: Of the node.
    """

    def __init__(self, log: Path, namespace: str, **parameters: Any) -> None:
        arguments = ['--ros-args', '-r', f'__ns:={namespace}']
        for name, value in parameters.items():
            arguments += ['-p', f'{name}:={value}']
        self._log = log
        with log.open('wb') as output:
            self.process = subprocess.Popen(
                [sys.executable, '-m', MODULE, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                env={**os.environ, 'RCUTILS_LOGGING_BUFFERED_STREAM': '0'},
                # Out of pytest's group, so that Ctrl-C in a terminal reaches pytest alone.
                start_new_session=True,
            )

    def log(self) -> str:
        """Return what the process has written."""
        return self._log.read_text('utf-8', 'replace')

    def wait_for(self, words: str, timeout: float = 60.0) -> None:
        """Wait until the log contains words."""
        end = time.monotonic() + timeout
        while words not in self.log():
            if self.process.poll() is not None or time.monotonic() > end:
                msg = f'no {words!r} in the log, exit code {self.process.poll()}:\n{self.log()}'
                raise AssertionError(msg)
            time.sleep(0.02)

    def send(self, *signals: signal.Signals, pause: float = 0.0) -> None:
        """Send signals with a pause between them."""
        for number, which in enumerate(signals):
            if number:
                time.sleep(pause)
            self.process.send_signal(which)

    def exit_code(self, timeout: float = 20.0) -> int:
        """Wait for the end of the process."""
        return self.process.wait(timeout)

    def resident_megabytes(self) -> float:
        """Return the memory that the process occupies, in MB."""
        for line in Path(f'/proc/{self.process.pid}/status').read_text('ascii').splitlines():
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) / 1000
        msg = 'no VmRSS'
        raise AssertionError(msg)

    def close(self) -> None:
        """End the process whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
