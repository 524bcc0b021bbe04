# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration error: against a slow loop, by hand, and by laws."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anomaly_seg_ros.metrics import CalibrationError, MetricError


def slow_reference(confidence: list[float], correct: list[bool], bins: int) -> float:
    """Sum up bin by bin, from the definition."""
    total = 0.0
    for number in range(1, bins + 1):
        low, high = (number - 1) / bins, number / bins
        inside = [
            (c, right)
            for c, right in zip(confidence, correct, strict=True)
            if low < c <= high or (number == 1 and c == 0)
        ]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            mean = sum(c for c, _ in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([1, 4, 10, 15]))
@settings(max_examples=40, deadline=None)
def test_equals_the_definition(seed: int, size: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    # Sixty-fourths: some lie on the edges of bins, exactly.
    confidence = (rng.integers(0, 65, size) / 64).astype(np.float32)
    prediction = rng.integers(0, 3, size).astype(np.uint8)
    target = rng.choice(np.array([0, 1, 2, 255], np.uint8), size)
    whole, first, second = (CalibrationError(bins) for _ in range(3))
    whole.update(confidence, prediction, target)
    cut = size // 2
    first.update(confidence[:cut], prediction[:cut], target[:cut])
    second.update(confidence[cut:], prediction[cut:], target[cut:])
    second.merge(first)
    counted = target != 255
    result, merged = whole.compute(), second.compute()
    assert result.pixels == counted.sum()
    if result.pixels:
        correct = (prediction == target)[counted].tolist()
        expected = slow_reference(confidence[counted].tolist(), correct, bins)
        assert result.ece == pytest.approx(expected, abs=1e-12)
        assert merged.ece == pytest.approx(expected, abs=1e-12)
        assert result.mce is not None
        assert result.mce >= expected - 1e-12
    json.dumps(result.as_dict(), allow_nan=False)


def test_a_case_by_hand() -> None:
    metric = CalibrationError(bins=2)
    confidence = np.array([[0.3, 0.5], [0.9, 0.7]], np.float32)
    prediction = np.array([[1, 0], [2, 2]], np.uint8)
    target = np.array([[1, 1], [2, 0]], np.uint8)
    metric.update(confidence, prediction, target)
    result = metric.compute()
    assert result.ece == pytest.approx((abs(0.5 - 0.4) + abs(0.5 - 0.8)) / 2)
    assert result.mce == pytest.approx(0.3)
    assert result.confidence == pytest.approx((0.4, 0.8))
    assert (result.accuracy, result.counts) == ((0.5, 0.5), (2, 2))


def test_certain_and_right_has_no_error_certain_and_wrong_the_full_one() -> None:
    sure = np.full(5, np.nextafter(np.float32(1), np.float32(2)))
    for prediction, error in ((0, 0.0), (1, 1.0)):
        metric = CalibrationError()
        metric.update(sure, np.full(5, prediction, np.uint8), np.zeros(5, np.uint8))
        assert metric.compute().ece == error


def test_without_pixels_there_is_no_error() -> None:
    metric = CalibrationError(3)
    metric.update(np.full(2, math.nan), np.zeros(2, np.uint8), np.full(2, 255, np.uint8))
    result = metric.compute()
    assert (result.ece, result.mce, result.confidence) == (None, None, (None, None, None))


@pytest.mark.parametrize(
    ('confidence', 'words'),
    [
        (np.full(2, -0.1), 'expected probabilities'),
        (np.array([0.5, 7.0]), 'from 0.5 to 7'),
        (np.array([0.5, np.nan]), 'softmax'),
        (np.zeros(3), 'one shape'),
        (np.zeros(2, np.uint8), 'uint8'),
    ],
)
def test_wrong_input_is_named(confidence: NDArray[np.float64], words: str) -> None:
    metric = CalibrationError()
    with pytest.raises(MetricError, match=words):
        metric.update(confidence, np.zeros(2, np.uint8), np.zeros(2, np.uint8))
    assert metric.compute().pixels == 0


def test_bins_must_fit() -> None:
    with pytest.raises(ValueError, match='received 0 bins'):
        CalibrationError(0)
    with pytest.raises(ValueError, match='cannot add 2 bins to 3'):
        CalibrationError(3).merge(CalibrationError(2))
