# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracies over the threshold: against a slow loop, by hand, and by laws."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anomaly_seg_ros.metrics import MetricError, ThresholdAnalysis

THRESHOLDS = [-0.5, 0.0, 0.1, 0.75]


def share(hits: list[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def draw(seed: int, size: int) -> tuple[NDArray[Any], ...]:
    rng = np.random.default_rng(seed)
    score = (rng.integers(-8, 12, size) / 8).astype(np.float32)
    score[rng.random(size) < 0.2] = np.float32(0.1)
    prediction = rng.integers(0, 3, size).astype(np.uint8)
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), size)
    anomaly = rng.choice(np.array([0, 0, 0, 1, 255], np.uint8), size)
    return score, prediction, labels, anomaly


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_equals_counting(seed: int, size: int) -> None:
    arrays = draw(seed, size)
    whole, first, second = (ThresholdAnalysis(3, THRESHOLDS) for _ in range(3))
    whole.update(*arrays)
    first.update(*(array[: size // 2] for array in arrays))
    second.update(*(array[size // 2 :] for array in arrays))
    second.merge(first)
    result = whole.compute()
    assert second.compute() == result
    pixels = list(zip(*(array.tolist() for array in arrays), strict=True))
    known = [(s, p, t) for s, p, t, a in pixels if a == 0 and t != 255]
    unknown = [s for s, _, _, a in pixels if a == 1]
    assert (result.known_pixels, result.anomalous_pixels) == (len(known), len(unknown))
    for place, threshold in enumerate(np.float32(THRESHOLDS).tolist()):
        expected = {
            'semantic_accuracy': share([p == t and s <= threshold for s, p, t in known]),
            'anomaly_accuracy': share([s > threshold for s in unknown]),
            'false_positive_rate': share([s > threshold for s, _, _ in known]),
            'accuracy': share(
                [s <= threshold for s, _, _ in known] + [s > threshold for s in unknown]
            ),
        }
        for name, value in expected.items():
            values = getattr(result, name)
            assert (None if values is None else values[place]) == value
        for label in range(3):
            rates = result.class_false_positive_rate[label]
            value = share([s > threshold for s, _, t in known if t == label])
            assert (None if rates is None else rates[place]) == value
    json.dumps(result.as_dict(), allow_nan=False)


def test_a_case_by_hand() -> None:
    analysis = ThresholdAnalysis(2, [0.2, 0.6])
    score = np.array([[0.1, 0.3, 0.3], [0.7, 0.6, 0.9]], np.float32)
    prediction = np.array([[0, 1, 0], [1, 0, 1]], np.uint8)
    labels = np.array([[0, 1, 1], [1, 255, 255]], np.uint8)
    anomaly = np.array([[0, 0, 0], [0, 1, 1]], np.uint8)
    analysis.update(score, prediction, labels, anomaly)
    result = analysis.compute()
    assert result.semantic_accuracy == (0.25, 0.5)
    assert result.anomaly_accuracy == (1.0, 0.5)
    assert result.false_positive_rate == (0.75, 0.25)
    assert result.accuracy == pytest.approx((3 / 6, 4 / 6))
    assert result.class_false_positive_rate == ((0.0, 0.0), pytest.approx((1.0, 1 / 3)))
    assert result.class_pixels == (1, 3)


def test_a_label_beneath_an_anomaly_does_not_count() -> None:
    analysis = ThresholdAnalysis(2, [0.0])
    analysis.update(
        np.ones(1, np.float32), np.zeros(1, np.uint8), np.full(1, 77, np.uint8), np.ones(1, int)
    )
    result = analysis.compute()
    assert (result.known_pixels, result.anomaly_accuracy) == (0, (1.0,))
    assert result.semantic_accuracy is None


@pytest.mark.parametrize(
    ('position', 'array', 'words'),
    [
        (0, np.zeros(2, np.float32), 'expected one score'),
        (0, np.full(3, np.nan, np.float32), '3 of 3 scores are NaN'),
        (1, np.zeros(2, np.uint8), 'expected one shape'),
        (2, np.array([0, 3, 7], np.uint8), r'\[3, 7\], expected 0 to 2'),
        (3, np.full(3, 2, np.uint8), r'\{2: 3\}'),
    ],
)
def test_wrong_input_is_named(position: int, array: NDArray[Any], words: str) -> None:
    arrays: list[NDArray[Any]] = [np.zeros(3, np.float32)] + [np.zeros(3, np.uint8)] * 3
    arrays[position] = array
    analysis = ThresholdAnalysis(3, THRESHOLDS)
    with pytest.raises(MetricError, match=words):
        analysis.update(*arrays)
    assert analysis.compute().known_pixels == 0


@pytest.mark.parametrize('thresholds', [[], [1.0, 1.0], [2.0, 1.0], [0.0, np.inf], [[0.0]]])
def test_thresholds_must_ascend(thresholds: list[float]) -> None:
    with pytest.raises(ValueError, match='distinct ascending'):
        ThresholdAnalysis(3, thresholds)


def test_only_equals_are_merged() -> None:
    with pytest.raises(ValueError, match='received 0'):
        ThresholdAnalysis(0, THRESHOLDS)
    for other in (ThresholdAnalysis(2, THRESHOLDS), ThresholdAnalysis(3, [0.5])):
        with pytest.raises(ValueError, match='cannot add'):
            ThresholdAnalysis(3, THRESHOLDS).merge(other)
