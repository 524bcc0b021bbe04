# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Percentiles of durations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anomaly_seg_ros.metrics import LatencyStats, MetricError


def test_percentiles_in_milliseconds() -> None:
    stats = LatencyStats()
    values = np.random.default_rng(0).uniform(0.01, 0.2, 101)
    for value in values:
        stats.add(float(value))
    assert len(stats) == 101
    assert stats.milliseconds() == {
        'p50': pytest.approx(1000 * np.sort(values)[50]),
        'p95': pytest.approx(1000 * np.sort(values)[95]),
    }


def test_no_durations_give_none() -> None:
    assert LatencyStats().milliseconds() == {'p50': None, 'p95': None}
    assert math.isnan(LatencyStats().percentile(50))


@pytest.mark.parametrize('value', [-0.1, math.nan, math.inf])
def test_impossible_durations_are_refused(value: float) -> None:
    with pytest.raises(MetricError, match='finite'):
        LatencyStats().add(value)
