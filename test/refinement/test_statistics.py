# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class statistics against plain loops: streamed, merged, stored, and hard to upset."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from anomaly_seg_ros.refinement import ClassStatistics, RefinementError, statistics_table
from anomaly_seg_ros.refinement import statistics as module

Pixels = list[tuple[float, int]]


def plain(pixels: Pixels, classes: int) -> list[tuple[int, float, float]]:
    """Return count, mean and unbiased deviation per class, with exact sums."""

    def moments(values: list[float]) -> tuple[float, float]:
        mean = math.fsum(values) / len(values)
        squares = math.fsum((v - mean) ** 2 for v in values)
        return mean, math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else math.nan

    kept = [(v, c) for v, c in pixels if c != 255]
    mean, std = moments([v for v, _ in kept])
    rows = []
    for label in range(classes):
        values = [v for v, c in kept if c == label]
        own = moments(values) if values else (mean, std)
        own_std = std if len(values) < 2 else own[1]
        rows.append((len(values), own[0], max(own_std, 1e-6, 1e-3 * std)))
    return rows


def check(statistics: ClassStatistics, expected: list[tuple[int, float, float]]) -> None:
    moments = statistics.compute()
    count, mean, std = moments.count, moments.mean, moments.std
    assert count.tolist() == [row[0] for row in expected]
    np.testing.assert_allclose(mean, [row[1] for row in expected], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(std, [row[2] for row in expected], rtol=1e-7, atol=1e-9)


def as_pixels(score: NDArray[Any], labels: NDArray[np.uint8]) -> Pixels:
    values = score.astype(np.float64).ravel().tolist()
    return list(zip(values, labels.ravel().tolist(), strict=True))


def test_by_hand() -> None:
    statistics = ClassStatistics(3)
    statistics.update(np.float32([[1, 3], [10, 99]]), np.uint8([[0, 0], [2, 255]]))
    moments = statistics.compute()
    assert moments.count.tolist() == [2, 0, 1]
    pooled = math.sqrt(((1 - 14 / 3) ** 2 + (3 - 14 / 3) ** 2 + (10 - 14 / 3) ** 2) / 2)
    np.testing.assert_allclose(moments.mean, [2, 14 / 3, 10])
    np.testing.assert_allclose(moments.std, [math.sqrt(2), pooled, pooled])


@settings(max_examples=100, deadline=None)
@given(
    images=st.lists(
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=6).flatmap(
            lambda shape: st.tuples(
                hnp.arrays(np.float32, shape, elements=st.floats(-1e3, 1e3, width=32)),
                hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255])),
            )
        ),
        min_size=1,
        max_size=5,
    ),
    split=st.integers(0, 5),
)
def test_streams_and_workers_give_the_plain_numbers(
    images: list[tuple[NDArray[np.float32], NDArray[np.uint8]]], split: int
) -> None:
    pixels = [p for score, labels in images for p in as_pixels(score, labels)]
    workers = ClassStatistics(4), ClassStatistics(4)
    for index, (score, labels) in enumerate(images):
        workers[index < split].update(score, labels)
    workers[0].merge(workers[1])
    if sum(label != 255 for _, label in pixels) < 2:
        with pytest.raises(RefinementError, match='expected at least two: add images'):
            workers[0].compute()
    else:
        check(workers[0], plain(pixels, 4))


def test_large_means_lose_nothing() -> None:
    """Sums of squares in single precision would give a deviation of 0 or of nothing."""
    random = np.random.default_rng(0)
    score = 1e6 + random.normal(0, 0.5, 20000)
    labels = random.integers(0, 2, score.shape).astype(np.uint8)
    statistics = ClassStatistics(2)
    for part in range(0, len(score), 999):
        statistics.update(score[part : part + 999], labels[part : part + 999])
    check(statistics, plain(as_pixels(score, labels), 2))


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    score = random.normal(0, 1, (37, 41)).astype(np.float32)
    labels = random.integers(0, 5, score.shape).astype(np.uint8)
    monkeypatch.setattr(module, '_CHUNK', 100)
    statistics = ClassStatistics(5)
    statistics.update(score, labels)
    check(statistics, plain(as_pixels(score, labels), 5))


@pytest.mark.parametrize('kind', [np.float16, np.float32, np.float64])
def test_floating_types(kind: type[np.floating[Any]]) -> None:
    score = np.linspace(-3, 7, 50).astype(kind)
    labels = (np.arange(50) % 3).astype(np.uint8)
    statistics = ClassStatistics(3)
    statistics.update(score, labels)
    check(statistics, plain(as_pixels(score, labels), 3))


def test_ignored_pixels_may_be_anything() -> None:
    score = np.float32([1, 2, np.nan, np.inf, 5])
    ignore = np.array([False, False, True, False, False])
    statistics = ClassStatistics(1)
    statistics.update(score, np.uint8([0, 0, 0, 255, 0]), ignore)
    check(statistics, plain([(1, 0), (2, 0), (5, 0)], 1))
    everything = ClassStatistics(1)
    everything.update(score, np.full(5, 255, np.uint8))
    assert everything.count.tolist() == [0]


def test_constant_classes_get_the_floor() -> None:
    statistics = ClassStatistics(2)
    statistics.update(np.float32([5, 5, 5, 1, 9]), np.uint8([0, 0, 0, 1, 1]))
    assert statistics.compute().std[0] == pytest.approx(1e-3 * math.sqrt(8))
    statistics = ClassStatistics(1)
    statistics.update(np.zeros(4, np.float32), np.zeros(4, np.uint8))
    assert statistics.compute().std.tolist() == [1e-6]


def test_stored_statistics_go_on() -> None:
    random = np.random.default_rng(2)
    score = random.normal(-4, 2, 500)
    labels = random.choice(np.uint8([0, 2]), 500)
    first, whole = ClassStatistics(3), ClassStatistics(3)
    first.update(score[:300], labels[:300])
    whole.update(score, labels)
    stored = json.loads(json.dumps(first.to_json()))
    assert set(stored) == {'count', 'mean', 'std'}
    second = ClassStatistics.from_json(stored)
    assert second.count.tolist() == first.count.tolist()
    second.update(score[300:], labels[300:])
    for key, values in whole.to_json().items():
        np.testing.assert_allclose(second.to_json()[key], values)


@pytest.mark.parametrize(
    ('score', 'labels', 'ignore', 'words'),
    [
        (np.zeros((2, 3), np.float32), np.zeros((3, 2), np.uint8), None, 'expected one shape'),
        (np.zeros(3, np.float32), np.zeros(3, np.uint8), np.zeros(2, bool), 'expected one shape'),
        (np.zeros(3, np.int32), np.zeros(3, np.uint8), None, 'received scores of int32'),
        (np.zeros(3, np.float32), np.zeros(3, np.int64), None, 'labels of int64'),
        (np.zeros(3, np.float32), np.uint8([0, 4, 1]), None, 'label 4, expected classes below 3'),
        (np.float32([0, np.nan, 0]), np.zeros(3, np.uint8), None, 'not finite'),
        (np.float32([0, np.inf, 0]), np.zeros(3, np.uint8), None, 'not finite'),
        (np.array([1e200, -1e200]), np.zeros(2, np.uint8), None, 'not finite'),
    ],
)
def test_refused_images_add_nothing(
    score: NDArray[Any], labels: NDArray[Any], ignore: NDArray[Any] | None, words: str
) -> None:
    statistics = ClassStatistics(3)
    with pytest.raises(RefinementError, match=words):
        statistics.update(score, labels, ignore)
    assert statistics.count.tolist() == [0, 0, 0]


def test_other_numbers_of_classes() -> None:
    with pytest.raises(RefinementError, match='received 0 classes, expected 1 to 255'):
        ClassStatistics(0)
    with pytest.raises(RefinementError, match='received 2 classes, expected 3'):
        ClassStatistics(3).merge(ClassStatistics(2))


@pytest.mark.parametrize(
    'content',
    [
        {},
        {'count': [1], 'mean': [1.0]},
        {'count': [1, 2], 'mean': [1.0], 'std': [1.0]},
        {'count': [-1], 'mean': [1.0], 'std': [1.0]},
        {'count': [1], 'mean': [math.nan], 'std': [1.0]},
        {'count': [1], 'mean': [0.0], 'std': [-1.0]},
        {'count': ['x'], 'mean': [0.0], 'std': [1.0]},
        {'count': [[1]], 'mean': [[0.0]], 'std': [[1.0]]},
    ],
)
def test_impossible_stored_statistics(content: dict[str, Any]) -> None:
    with pytest.raises(RefinementError, match='take them anew'):
        ClassStatistics.from_json(content)


def test_table_of_a_card() -> None:
    card = {'energy': {'count': [1, 2], 'mean': [-3.0, 4.0], 'std': [0.5, 2.0]}}
    table = statistics_table(card, ('entropy', 'energy'), 2)
    assert table.dtype == np.float32
    assert table.tolist() == [[[0, 0], [1, 1]], [[-3, 4], [0.5, 2]]]
    assert statistics_table(None, ('energy',), 2).tolist() == [[[0, 0], [1, 1]]]
