# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that works on the newest item."""

from __future__ import annotations

import gc
import threading
import time
import weakref

from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.nodes.rate import RateLimiter
from anomaly_seg_ros.nodes.worker import NewestWorker


def test_items_are_worked_on_in_order_when_there_is_time() -> None:
    done: list[int] = []
    worker = NewestWorker(done.append)
    for item in range(5):
        assert not worker.offer(item)
        while len(done) <= item:
            time.sleep(0.001)
    assert worker.stop(5)
    assert done == [0, 1, 2, 3, 4]


def test_the_newest_waiting_item_wins_and_the_others_are_told() -> None:
    done: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def work(item: int) -> None:
        begun.set()
        go.wait(5)
        done.append(item)

    worker = NewestWorker(work)
    worker.offer(0)
    assert begun.wait(5)
    assert [worker.offer(item) for item in (1, 2, 3)] == [False, True, True]
    go.set()
    while len(done) < 2:
        time.sleep(0.001)
    assert worker.stop(5)
    assert done == [0, 3]


def test_stopping_finishes_the_item_in_work_and_drops_the_waiting_one() -> None:
    done: list[int] = []
    begun = threading.Event()

    def work(item: int) -> None:
        begun.set()
        time.sleep(0.1)
        done.append(item)

    worker = NewestWorker(work)
    worker.offer(0)
    assert begun.wait(5)
    worker.offer(1)
    assert worker.stop(5)
    assert done == [0]


def test_an_idle_worker_keeps_no_item_alive() -> None:
    class Item:
        pass

    done = threading.Event()
    worker: NewestWorker[Item] = NewestWorker(lambda _: done.set())
    item = Item()
    alive = weakref.ref(item)
    worker.offer(item)
    del item
    assert done.wait(5)
    for _ in range(100):
        gc.collect()
        if alive() is None:
            break
        time.sleep(0.01)
    assert alive() is None
    assert worker.stop(5)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.001, 0.2), min_size=20, max_size=200),
    st.floats(1, 100),
)
def test_no_second_has_more_events_than_the_rate(gaps: list[float], rate: float) -> None:
    limiter = RateLimiter()
    now, admitted = 100.0, []
    for gap in gaps:
        now += gap
        if limiter.admit(now, rate):
            admitted.append(now)
    for begin in admitted:
        within = [time for time in admitted if begin <= time < begin + 1]
        # One event may be early by up to a period, one lies on each end.
        assert len(within) <= rate + 2


def test_the_rate_is_reached_although_frames_jitter() -> None:
    limiter = RateLimiter()
    jitter = [0.004 if number % 2 else -0.004 for number in range(300)]
    admitted = sum(limiter.admit(number / 30 + jitter[number], 10.0) for number in range(300))
    assert 99 <= admitted <= 101


def test_no_limit_and_a_clock_that_jumps_back() -> None:
    limiter = RateLimiter()
    assert all(limiter.admit(0.0, 0.0) for _ in range(100))
    assert limiter.admit(1000.0, 1.0)
    assert not limiter.admit(1000.5, 1.0)
    assert limiter.admit(3.0, 1.0)
