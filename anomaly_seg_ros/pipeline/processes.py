# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive their parent, with their output kept."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import final

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.pipeline.transport import transport_variables

_LAST_LINES = 15
_STOP_SECONDS = 8.0
_PR_SET_PDEATHSIG = 1


class PipelineError(AnomalySegError):
    """A child process failed."""


class Child:
    """One process and the end of what it said.

    Args:
        name: What to call it.
        command: Program and arguments.
        environment: All of its environment variables.
        log: File for everything it prints.
        on_line: Called with each line; returns whether the line is to be kept.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        on_line: Callable[[str], bool],
    ) -> None:
        self.name = name
        self.log = log
        self._on_line = on_line
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        # A session of its own: Ctrl-C in the terminal reaches the parent alone, which then stops
        # its children one by one and waits for each.
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - the parent has no other threads then
        )
        self._reader = threading.Thread(target=self._read, daemon=True)

    def start_reading(self) -> None:
        """Begin to keep what it prints."""
        self._reader.start()

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    @property
    def last_lines(self) -> str:
        """The last lines it printed."""
        if self.code is not None and self._reader.is_alive():
            self._reader.join(1.0)
        return '\n'.join(f'  {self.name} | {line}' for line in self._last)

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, None when it still runs after so many seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def interrupt(self) -> None:
        """Ask it to end."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it by force, with everything it started."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def finish_reading(self) -> None:
        """Wait until everything it printed is kept."""
        if self._reader.ident is not None:
            self._reader.join(2.0)

    def _read(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open('w', encoding='utf-8') as log:
            for line in self._process.stdout or ():
                text = line.rstrip('\n')
                if self._on_line(text):
                    self._last.append(text)
                    log.write(line)
                    log.flush()


@final
class Children:
    """The processes of one run; all are gone when the block is left, however it is left.

    Args:
        environment: Environment variables of all of them.
        logs: Folder for their output.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self._children: list[Child] = []
        self._old_handler: (
            Callable[[int, FrameType | None], object] | int | signal.Handlers | None
        ) = None

    def __enter__(self) -> Children:
        """From now on SIGTERM ends the block as Ctrl-C does."""
        if threading.current_thread() is threading.main_thread():
            self._old_handler = signal.signal(signal.SIGTERM, _raise_interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what still runs."""
        self.stop()
        if self._old_handler is not None:
            signal.signal(signal.SIGTERM, self._old_handler)

    def start_node(
        self,
        name: str,
        parameters: Mapping[str, object],
        remaps: Mapping[str, str] | None = None,
        on_line: Callable[[str], bool] = lambda _: True,
    ) -> Child:
        """Start a node of this package.

        Args:
            name: Its module in `anomaly_seg_ros.nodes`.
            parameters: ROS parameters.
            remaps: From topic names to others.
            on_line: Called with each line it prints; returns whether to keep it.
        """
        command = [sys.executable, '-m', f'anomaly_seg_ros.nodes.{name}', '--ros-args']
        for key, value in parameters.items():
            command += ['-p', f'{key}:={_yaml(value)}']
        for old, new in (remaps or {}).items():
            command += ['-r', f'{old}:={new}']
        log = self._logs / f'{name}.log'
        child = Child(name, command, self._environment, log, on_line)
        self._children.append(child)
        return child

    def start_reading(self) -> None:
        """Begin to keep what all of them print; call it once when all are started."""
        for child in self._children:
            child.start_reading()

    def wait_for(self, finishing: Sequence[Child], seconds: float) -> None:
        """Wait until some children have ended well.

        Args:
            finishing: Those that end by themselves.
            seconds: Most seconds to wait.

        Raises:
            PipelineError: Any child failed, or the time is over; the message ends with the last
                lines of the one to blame.
        """
        deadline = time.monotonic() + seconds
        for child in finishing:
            while child.code is None:
                self.check()
                if time.monotonic() > deadline:
                    msg = (
                        f'{child.name} has not ended after {seconds:g} s; its last lines:\n'
                        f'{child.last_lines}'
                    )
                    raise PipelineError(msg)
                child.wait(0.1)
        self.check()

    def check(self) -> None:
        """Notice a child that failed.

        Raises:
            PipelineError: One has ended with another code than 0.
        """
        for child in self._children:
            if child.code:
                child.finish_reading()
                msg = (
                    f'{child.name} ended with exit code {child.code} (all it printed is in '
                    f'{child.log}); its last lines:\n{child.last_lines}'
                )
                raise PipelineError(msg)

    def stop(self) -> None:
        """Ask all to end and end by force those that do not."""
        for child in self._children:
            child.interrupt()
        deadline = time.monotonic() + _STOP_SECONDS
        for child in self._children:
            child.wait(max(deadline - time.monotonic(), 0.01))
        for child in self._children:
            child.kill()
            child.finish_reading()


def node_environment(own_graph: bool, logs: Path) -> dict[str, str]:
    """Return the environment for nodes.

    Args:
        own_graph: Keep them out of every other ROS graph, on this machine alone.
        logs: Folder for the transport's profile.
    """
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parent.parent.parent)
    # So that the children run this very package, installed or not.
    known = environment.get('PYTHONPATH', '')
    environment['PYTHONPATH'] = os.pathsep.join([root, known]) if known else root
    environment['PYTHONUNBUFFERED'] = '1'
    # One network at a time: BLAS threads of the other processes would take its cores.
    environment.setdefault('OPENBLAS_NUM_THREADS', '1')
    environment.update(transport_variables(environment, logs))
    if own_graph:
        # 81 to 101 are left to the tests of this package, which replay beside live nodes.
        environment['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 80)
        environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        if environment.get('ROS_DISTRO') == 'humble':
            environment['ROS_LOCALHOST_ONLY'] = '1'
    return environment


def _yaml(value: object) -> str:
    """Write a parameter value so that ROS reads its type back."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    # Quoted, or a folder called 2024 would become a number.
    return "'" + str(value).replace("'", "''") + "'"


def _raise_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    """Ask Linux to interrupt the child when its parent dies, killed parents included."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
