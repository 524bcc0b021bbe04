# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector as a process: signals, exit codes, user mistakes."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy')

from support.detector_process import DetectorProcess

pytestmark = pytest.mark.ros

Start = Callable[..., DetectorProcess]
ACTIVE = 'active: images are taken from'


@pytest.fixture
def start(tiny_bundle: Path, tmp_path: Path) -> Iterator[Start]:
    processes: list[DetectorProcess] = []
    numbers = itertools.count()

    def launch(**parameters: Any) -> DetectorProcess:
        number = next(numbers)
        values = {'bundle': tiny_bundle, 'threads': 1, **parameters}
        processes.append(DetectorProcess(tmp_path / f'log{number}', f'/process{number}', **values))
        return processes[-1]

    yield launch
    for process in processes:
        process.close()


INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.mark.parametrize(
    ('signals', 'pause'),
    [
        ((INT,), 0.0),
        ((TERM,), 0.0),
        ((INT, INT), 0.0),
        ((INT, INT), 0.001),
        ((INT, INT), 0.005),
        ((INT, INT), 0.01),
        ((INT, INT), 0.02),
        ((INT, INT, INT), 0.01),
        ((INT, TERM), 0.01),
    ],
)
def test_signals_end_the_node_with_exit_code_0(
    start: Start, signals: tuple[signal.Signals, ...], pause: float
) -> None:
    process = start()
    process.wait_for(ACTIVE)
    process.send(*signals, pause=pause)
    assert process.exit_code() == 0, process.log()
    assert 'Traceback' not in process.log()
    assert 'rror' not in process.log()


@pytest.mark.parametrize('delay', [0.0, 0.02, 0.1])
def test_signals_during_the_start_end_the_node_too(start: Start, delay: float) -> None:
    process = start()
    # The log's first line is the bundle's, so activation and what follows are cut short.
    process.wait_for('bundle tiny')
    time.sleep(delay)
    process.send(INT, INT, pause=0.01)
    assert process.exit_code() == 0, process.log()
    assert 'Traceback' not in process.log()


def test_a_process_without_its_bundle_lives_and_ends_cleanly(start: Start, tmp_path: Path) -> None:
    process = start(bundle=tmp_path / 'nowhere')
    process.wait_for('not configured: there is no bundle')
    time.sleep(0.5)
    assert process.process.poll() is None
    process.send(INT)
    assert process.exit_code() == 0
    assert 'Traceback' not in process.log()


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'overlay_content': 'everything'}, 'overlay_content'),
        ({'image_depth': '0'}, 'image_depth'),
        ({'max_rate': 'fast'}, 'max_rate'),
    ],
)
def test_impossible_parameters_end_the_process_with_one_sentence(
    start: Start, parameters: dict[str, str], words: str
) -> None:
    process = start(**parameters)
    assert process.exit_code() == 2
    lines = [line for line in process.log().splitlines() if line.strip()]
    assert len(lines) == 1, process.log()
    assert lines[0].startswith('detector: error: ')
    assert words in lines[0]
