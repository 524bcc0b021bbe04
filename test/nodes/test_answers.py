# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answers are awaited by stamp and topic."""

from __future__ import annotations

import threading
import time

from anomaly_seg_ros.nodes.answers import Answers
from anomaly_seg_ros.nodes.player_status import FAILED, PlayerStatus


def test_all_topics_must_answer_to_the_stamp() -> None:
    answers = Answers(('/a', '/b'))
    answers.expect(5)
    answers.answered('/a', 5)
    answers.answered('/b', 4)
    assert answers.wait(0.01) == ['/b']
    answers.answered('/b', 5)
    assert answers.wait(0.0) == []
    answers.expect(6)
    assert answers.wait(0.0) == ['/a', '/b']


def test_a_waiting_thread_is_woken() -> None:
    answers = Answers(('/a',))
    answers.expect(1)
    threading.Timer(0.05, lambda: answers.answered('/a', 1)).start()
    start = time.monotonic()
    assert answers.wait(10.0) == []
    assert time.monotonic() - start < 5.0


def test_nobody_to_wait_for_is_no_wait() -> None:
    answers = Answers(())
    answers.expect(1)
    assert answers.wait(10.0) == []


def test_a_status_survives_its_text_form_and_rubbish_is_none() -> None:
    status = PlayerStatus(FAILED, 'lockstep', 9, 4, 1, ['/a', '/b'], ['/a'], 'lost')
    assert PlayerStatus.from_json(status.to_json()) == status
    assert status.over
    for text in ('', '[]', '{}', '{"state": 1', 'null'):
        assert PlayerStatus.from_json(text) is None
