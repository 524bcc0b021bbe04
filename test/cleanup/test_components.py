# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hysteresis and minimum area: against a flood fill, by hand, and laws that always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from support.slow_cleanup import slow_clean

from anomaly_seg_ros.cleanup import CleanupError, clean_mask
from anomaly_seg_ros.mask import anomaly_mask

VALUES = st.sampled_from([np.nan, -np.inf, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0, np.inf])
SCORES = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=VALUES)
LEVELS = st.sampled_from([-3.0, -1.0, -0.5, 0.0, 0.4, 0.5, 1.5, 2.0])
AREAS = st.integers(0, 9)


def chart(*rows: str) -> np.ndarray:
    """Read a map from digits; '.' is 0."""
    return np.array([[0 if c == '.' else int(c) for c in row] for row in rows], np.float32)


@given(SCORES, LEVELS, LEVELS, AREAS)
@settings(max_examples=300, deadline=None)
def test_equals_the_flood_fill(score: np.ndarray, a: float, b: float, min_area: int) -> None:
    high, low = max(a, b), min(a, b)
    mask = clean_mask(score, high, low, min_area)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, slow_clean(score, high, low, min_area))


@given(SCORES, st.lists(LEVELS, min_size=3, max_size=3), AREAS, AREAS)
@settings(max_examples=200, deadline=None)
def test_laws(score: np.ndarray, levels: list[float], one: int, other: int) -> None:
    low, middle, high = sorted(levels)
    mask = clean_mask(score, high, low, one)
    # Inside the low mask; without a minimum area it holds the whole high mask.
    assert not np.any(mask[anomaly_mask(score, low) == 0])
    assert np.all(clean_mask(score, high, low)[anomaly_mask(score, high) > 0] == 255)
    # A stricter rule never adds a pixel: of area, of the threshold, of the low threshold.
    small, large = sorted((one, other))
    assert np.all(clean_mask(score, high, low, large) <= clean_mask(score, high, low, small))
    assert np.all(mask <= clean_mask(score, middle, low, one))
    assert np.all(clean_mask(score, high, middle, one) <= mask)
    # Without hysteresis and area it is the plain mask.
    np.testing.assert_array_equal(clean_mask(score, high), anomaly_mask(score, high))


def test_hysteresis_by_hand() -> None:
    score = chart('.22..2', '.29..2', '......', '9....2')
    mask = clean_mask(score, 5, 1)
    expected = chart('.11...', '.11...', '......', '1.....') * 255
    np.testing.assert_array_equal(mask, expected)


def test_minimum_area_by_hand() -> None:
    score = chart('9..99', '.9...', '....9')
    np.testing.assert_array_equal(clean_mask(score, 5, min_area=1) > 0, score > 5)
    two = chart('9..99', '.9...', '.....') > 0
    np.testing.assert_array_equal(clean_mask(score, 5, min_area=2) > 0, two)
    assert not clean_mask(score, 5, min_area=3).any()


def test_the_area_counts_the_pixels_between_the_thresholds() -> None:
    assert clean_mask(chart('2292'), 5, 1, 4).all()
    assert not clean_mask(chart('2292'), 5, 1, 5).any()


def test_regions_do_not_wrap_around_rows() -> None:
    score = chart('....9', '9....', '.....', '9...9')
    assert not clean_mask(score, 5, min_area=2).any()


@pytest.mark.parametrize('step', [1, 2, -1])
def test_any_strides(step: int) -> None:
    score = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)[::step, ::step]
    np.testing.assert_array_equal(clean_mask(score, 1, 0, 5), slow_clean(score, 1, 0, 5))


def test_thresholds_are_compared_in_float32() -> None:
    score = np.full((2, 2), 0.1, np.float32)
    assert not clean_mask(score, 0.1).any()


def test_errors() -> None:
    with pytest.raises(CleanupError, match=r'shape \(3,\), expected \(H, W\)'):
        clean_mask(np.zeros(3, np.float32), 1)
    with pytest.raises(CleanupError, match=r'low threshold 2 above the threshold 1'):
        clean_mask(np.zeros((3, 3), np.float32), 1, 2)
