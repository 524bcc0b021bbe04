# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Levels and sentences of diagnostics, from statistics that really were counted."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from anomaly_seg_ros.nodes import statistics as st
from anomaly_seg_ros.nodes.health import ERROR, OK, STALE, WARN, Condition, Status, judge
from anomaly_seg_ros.nodes.statistics import FrameStatistics, resident_megabytes

ACTIVE = Condition('active', enabled=True, active_since=0.0)


def frames(
    statistics: FrameStatistics, condition: Condition = ACTIVE, time: float = 1.0
) -> Status:
    before = FrameStatistics().snapshot(0.0)
    return judge(condition, before, statistics.snapshot(time))[1]


def test_good_frames_are_ok_with_rates() -> None:
    statistics = FrameStatistics()
    for number in range(10):
        statistics.received(number / 10)
        statistics.processed(engine=80.0, outside=4.0, age=90.0 + number)
    status = frames(statistics)
    assert (status.level, status.message) == (OK, 'frames are processed')
    assert status.values['input rate (Hz)'] == status.values['output rate (Hz)'] == '10.00'
    assert status.values['frame age p50 (ms)'] == '94.50'


@pytest.mark.parametrize(
    ('counter', 'level', 'words'),
    [
        (st.SKIPPED, WARN, '3 frames skipped for newer ones'),
        (st.LOST, WARN, '3 frames lost by the transport'),
        (st.LIMITED, OK, 'frames are processed'),
        (st.UNWANTED, OK, 'frames are processed'),
    ],
)
def test_counters_set_the_level(counter: str, level: int, words: str) -> None:
    statistics = FrameStatistics()
    statistics.received(0.9)
    statistics.processed(engine=1.0, outside=1.0)
    statistics.count(counter, 3)
    status = frames(statistics)
    assert (status.level, status.message) == (level, words)
    assert status.values[counter] == '3'


def test_only_rejected_frames_are_an_error_some_are_a_warning() -> None:
    statistics = FrameStatistics()
    statistics.received(0.9)
    statistics.rejected('received step 1')
    assert frames(statistics).level == ERROR
    assert 'received step 1' in frames(statistics).message
    statistics.processed(engine=1.0, outside=1.0)
    assert frames(statistics).level == WARN


def test_levels_are_about_what_is_new_and_values_about_all() -> None:
    statistics = FrameStatistics()
    statistics.received(0.5)
    statistics.rejected('bad')
    before = statistics.snapshot(1.0)
    statistics.received(1.5)
    statistics.processed(engine=1.0, outside=1.0)
    status = judge(ACTIVE, before, statistics.snapshot(2.0))[1]
    assert status.level == OK
    assert (status.values['rejected'], status.values['last rejection']) == ('1', 'bad')


def test_a_node_without_frames_is_stale_after_a_while() -> None:
    statistics = FrameStatistics()
    assert frames(statistics, time=1.9).level == OK
    assert frames(statistics, time=2.5).level == STALE
    statistics.received(4.0)
    assert frames(statistics, time=5.0).level == OK
    assert frames(statistics, time=6.5).level == STALE
    just_activated = Condition('active', enabled=True, active_since=6.0)
    assert frames(statistics, just_activated, time=6.5).level == OK


def test_losing_everything_is_an_error_that_says_what_to_do() -> None:
    statistics = FrameStatistics()
    statistics.count(st.LOST, 30)
    status = frames(statistics, time=3.0)
    assert status.level == ERROR
    assert 'reliably' in status.message


def test_an_inactive_node_is_not_stale() -> None:
    assert frames(FrameStatistics(), Condition('inactive', True, None), 100.0).level == OK


@pytest.mark.parametrize(
    ('condition', 'level', 'words'),
    [
        (ACTIVE, OK, 'active'),
        (Condition('inactive', True, None), WARN, 'ros2 lifecycle set'),
        (Condition('unconfigured', True, None, failure='no bundle'), ERROR, 'no bundle'),
        (Condition('active', False, 0.0), WARN, 'disabled'),
        (Condition('active', True, 0.0, warnings=('no mask', 'qos')), WARN, 'no mask; qos'),
    ],
)
def test_the_life_cycle_has_its_own_status(condition: Condition, level: int, words: str) -> None:
    empty = FrameStatistics().snapshot(0.0)
    status = judge(condition, empty, empty)[0]
    assert status.level == level
    assert words in status.message


def test_statistics_survive_many_threads() -> None:
    statistics = FrameStatistics()

    def work() -> None:
        for number in range(1000):
            statistics.received(float(number))
            statistics.count(st.SKIPPED)
            statistics.processed(engine=1.0, outside=2.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = statistics.snapshot(0.0).counts
    assert (counts[st.RECEIVED], counts[st.SKIPPED], counts[st.PROCESSED]) == (4000, 4000, 4000)


def test_percentiles_are_those_of_the_latest_frames() -> None:
    statistics = FrameStatistics()
    for number in range(1000):
        statistics.processed(engine=float(number), outside=1.0)
    latest = np.arange(1000 - 256, 1000)
    p50, p95 = statistics.snapshot(0.0).latencies[st.ENGINE_MS]
    assert p50 == pytest.approx(np.percentile(latest, 50))
    assert p95 == pytest.approx(np.percentile(latest, 95))


def test_resident_memory_grows_with_what_is_held() -> None:
    before = resident_megabytes()
    held = np.ones(8_000_000)
    assert 50 < resident_megabytes() - before < 80
    del held
