# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures from serialised messages."""

from __future__ import annotations

import re

import numpy as np
import pytest

from anomaly_seg_ros.bags.messages import image_message
from anomaly_seg_ros.metrics import AnomalyMetrics, ConfusionMatrix
from anomaly_seg_ros.nodes.evaluation import (
    IMAGE,
    LABELS,
    SCORE,
    TRUE_ANOMALY,
    TRUE_LABELS,
    Evaluation,
    in_words,
)
from anomaly_seg_ros.nodes.frame_book import Entry


def entry(stamp: int, rng: np.random.Generator, **changes: bytes) -> Entry:
    """Return a complete frame of random labels and scores."""
    maps = {
        LABELS: (rng.integers(0, 3, (8, 9)).astype(np.uint8), 'mono8'),
        SCORE: (rng.normal(size=(8, 9)).astype(np.float32), '32FC1'),
        TRUE_LABELS: (rng.choice(np.array([0, 1, 2, 255], np.uint8), (8, 9)), 'mono8'),
        TRUE_ANOMALY: (rng.choice(np.array([0, 1, 255], np.uint8), (8, 9)), 'mono8'),
    }
    messages = {
        kind: image_message(array, encoding, stamp) for kind, (array, encoding) in maps.items()
    }
    times = dict.fromkeys(messages, stamp / 1e9 + 0.1) | {IMAGE: stamp / 1e9}
    return Entry(stamp, messages | changes, times)


def test_figures_equal_those_of_the_metrics() -> None:
    evaluation = Evaluation(3)
    for index in range(4):
        frame = entry(index * 5 * 10**8, np.random.default_rng(index))
        evaluation.arrived(frame)
        assert evaluation.evaluate(frame) == ''
    confusion, anomaly = ConfusionMatrix(3), AnomalyMetrics()
    for index in range(4):
        rng = np.random.default_rng(index)
        labels = rng.integers(0, 3, (8, 9)).astype(np.uint8)
        score = rng.normal(size=(8, 9)).astype(np.float32)
        confusion.update(labels, rng.choice(np.array([0, 1, 2, 255], np.uint8), (8, 9)))
        anomaly.update(score, rng.choice(np.array([0, 1, 255], np.uint8), (8, 9)))
    summary = evaluation.summary()
    assert summary['miou'] == confusion.compute().miou
    assert {k: summary[k] for k in ('auroc', 'ap', 'fpr95')} == {
        k: v for k, v in anomaly.compute().as_dict().items() if k in ('auroc', 'ap', 'fpr95')
    }
    assert summary['rate_hz'] == pytest.approx(2.0)
    assert summary['latency_ms']['p50'] == pytest.approx(100.0)


def test_an_image_that_comes_after_its_outputs_tells_the_latency_too() -> None:
    evaluation = Evaluation(19)
    frames = [entry(stamp, np.random.default_rng(0)) for stamp in (0, 1, 2)]
    for frame in frames:
        sent = frame.times.pop(IMAGE)
        evaluation.arrived(frame)
    assert evaluation.latency()['p50'] is None
    evaluation.came_late(0, sent)
    assert evaluation.latency()['p50'] == pytest.approx(100.0)
    # Neither twice, nor by the time at which it arrived, nor of a frame that is not known.
    evaluation.came_late(0, sent - 9.0)
    evaluation.came_late(1, sent + 9.0)
    evaluation.came_late(7, sent - 9.0)
    assert evaluation.latency()['p95'] == pytest.approx(100.0)


def test_images_are_waited_for_in_a_bounded_number() -> None:
    evaluation = Evaluation(19)
    frame = entry(0, np.random.default_rng(0))
    sent = frame.times.pop(IMAGE)
    for stamp in range(200):
        frame.stamp = stamp
        evaluation.arrived(frame)
    evaluation.came_late(0, sent)
    assert evaluation.latency()['p50'] is None
    evaluation.came_late(199, sent)
    assert evaluation.latency()['p50'] == pytest.approx(100.0)


def test_without_ground_truth_there_are_no_figures_but_times() -> None:
    evaluation = Evaluation(19)
    frame = entry(0, np.random.default_rng(0))
    for kind in (TRUE_LABELS, TRUE_ANOMALY):
        del frame.messages[kind]
    evaluation.arrived(frame)
    evaluation.evaluate(frame)
    summary = evaluation.summary()
    assert [summary[k] for k in ('auroc', 'ap', 'fpr95', 'miou', 'iou', 'rate_hz')] == [None] * 6
    assert summary['latency_ms']['p95'] == pytest.approx(100.0)
    words = in_words({**summary, 'frames_in': 1, 'frames_out': 1, 'skipped': 0, 'lost': 0})
    assert 'no ground truth' in words


@pytest.mark.parametrize(
    ('kind', 'data', 'words'),
    [
        (TRUE_LABELS, image_message(np.zeros((4, 4), np.uint8), 'mono8', 0), 'shape'),
        (TRUE_LABELS, image_message(np.full((8, 9), 77, np.uint8), 'mono8', 0), r'\[77\]'),
        (TRUE_ANOMALY, image_message(np.full((8, 9), 2, np.uint8), 'mono8', 0), r'\{2: 72\}'),
        (SCORE, image_message(np.full((8, 9), np.nan, np.float32), '32FC1', 0), 'NaN'),
        (TRUE_ANOMALY, b'\x00\x01\x00\x00rubbish', 'damaged'),
    ],
)
def test_a_frame_that_cannot_be_evaluated_is_named_and_counted(
    kind: str, data: bytes, words: str
) -> None:
    evaluation = Evaluation(19)
    frame = entry(7 * 10**9, np.random.default_rng(0), **{kind: data})
    evaluation.arrived(frame)
    problem = evaluation.evaluate(frame)
    assert problem.startswith('the frame of stamp 7.0')
    summary = evaluation.summary()
    assert summary['problems'] == [problem]
    assert summary['frames_not_evaluated'] == 1
    assert re.search(words, problem)
