# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a program still imports its packages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from anomaly_seg_ros.interrupts import leaving_at_once

IMPORTING = b'importing\n'


@pytest.mark.parametrize(
    ('words', 'slow', 'which', 'code'),
    [
        (['anomaly_seg_ros.nodes.detector'], 'rclpy', signal.SIGINT, 0),
        (['anomaly_seg_ros.nodes.detector'], 'rclpy', signal.SIGTERM, 0),
        (['anomaly_seg_ros.nodes.evaluator'], 'rclpy', signal.SIGINT, 0),
        (['anomaly_seg_ros.nodes.player'], 'rclpy', signal.SIGINT, 0),
        (['anomaly_seg_ros.cli.main', 'detect', 'synthetic'], 'tqdm', signal.SIGINT, 130),
        (['anomaly_seg_ros.cli.main', '--help'], 'argparse', signal.SIGINT, 130),
    ],
)
def test_an_interrupt_during_imports_ends_without_a_word(
    words: list[str], slow: str, which: signal.Signals, code: int, tmp_path: Path, repository: Path
) -> None:
    # Raised as an exception, the interrupt would be caught and wrapped here, as C code does it.
    (tmp_path / f'{slow}.py').write_text(
        'import os, time\n'
        f'os.write(1, {IMPORTING!r})\n'
        'try: time.sleep(60)\n'
        'except BaseException as error: raise ImportError("half a package") from error\n'
    )
    paths = [str(tmp_path), str(repository)]
    process = subprocess.Popen(
        [sys.executable, '-m', *words],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == IMPORTING
        process.send_signal(which)
        rest, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, rest, errors) == (code, b'', b'')


def test_the_handler_before_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with leaving_at_once(130):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with leaving_at_once(130):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
