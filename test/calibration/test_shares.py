# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shares of masks and alarm levels: against making every mask and counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.calibration.shares import alarm_level, cleaned_shares, mask_shares
from anomaly_seg_ros.cleanup import CleanupConfig, clean_mask
from anomaly_seg_ros.mask import anomaly_mask

SEEDS = st.integers(0, 2**32 - 1)


def maps(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return scores with many equal values, thresholds among them, and which pixels count."""
    rng = np.random.default_rng(seed)
    score = rng.integers(-20, 21, (9, 11)).astype(np.float32) / 8
    thresholds = np.unique(rng.integers(-22, 23, 15).astype(np.float32) / 8)
    normal = rng.random(score.shape) < 0.7
    normal[0, 0] = True
    return score, thresholds, normal if rng.random() < 0.5 else None


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_shares_are_those_of_the_mask(seed: int) -> None:
    score, thresholds, normal = maps(seed)
    counted = np.ones(score.shape, bool) if normal is None else normal
    expected = [np.mean(anomaly_mask(score, float(t))[counted] > 0) for t in thresholds]
    shares = mask_shares(score, thresholds, normal)
    np.testing.assert_allclose(shares, expected, rtol=1e-12)
    assert np.all(np.diff(shares) <= 0)
    off = cleaned_shares(score, thresholds, CleanupConfig(), (-2.5, 2.5), normal)
    np.testing.assert_allclose(off, expected, rtol=1e-12)


@given(SEEDS, st.sampled_from([0.0, 0.3, 0.8]), st.integers(0, 6))
@settings(max_examples=100, deadline=None)
def test_cleaned_shares_are_those_of_the_cleaned_mask(
    seed: int, hysteresis: float, min_area: int
) -> None:
    score, thresholds, normal = maps(seed)
    counted = np.ones(score.shape, bool) if normal is None else normal
    hidden = np.where(counted, score, -np.inf).astype(np.float32)
    config, limits = CleanupConfig(hysteresis, min_area), (-2.5, 2.5)
    expected = []
    for threshold in thresholds.tolist():
        low = config.low_threshold(threshold, limits)
        expected.append(np.mean(clean_mask(hidden, threshold, low, min_area)[counted] > 0))
    shares = cleaned_shares(score, thresholds, config, limits, normal)
    np.testing.assert_allclose(shares, expected, rtol=1e-12)
    assert np.all(np.diff(shares) <= 0)


@given(SEEDS)
@settings(max_examples=50, deadline=None)
def test_without_cleanup_the_alarm_level_is_the_largest_score(seed: int) -> None:
    score, _, normal = maps(seed)
    level = alarm_level(score, CleanupConfig(), (0.0, 1.0), normal)
    assert level == (score if normal is None else score[normal]).max()


@given(SEEDS, st.sampled_from([0.0, 0.3, 0.8]), st.integers(2, 6))
@settings(max_examples=100, deadline=None)
def test_from_the_alarm_level_on_the_mask_is_empty(
    seed: int, hysteresis: float, min_area: int
) -> None:
    score, _, normal = maps(seed)
    config, limits = CleanupConfig(hysteresis, min_area), (-2.5, 2.5)
    hidden = score if normal is None else np.where(normal, score, np.float32(-np.inf))

    def alarms(threshold: float) -> bool:
        low = config.low_threshold(threshold, limits)
        return bool(clean_mask(hidden, threshold, low, min_area).any())

    level = alarm_level(score, config, limits, normal)
    assert not alarms(level)
    values = score if normal is None else score[normal]
    below = level - (float(values.max()) - float(values.min())) / 2**15
    assert below <= values.min() or alarms(below)


@pytest.mark.parametrize('value', [0.0, -3.5, 1e-30])
def test_a_constant_map(value: float) -> None:
    score = np.full((4, 5), value, np.float32)
    level = alarm_level(score, CleanupConfig(min_area=3), (0.0, 1.0))
    assert level == np.float32(value)
    assert not clean_mask(score, level, min_area=3).any()
