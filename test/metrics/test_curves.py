# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROC and PR curves: exact where they are short, bounded where they are long."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.metrics import AnomalyCurves, AnomalyMetrics, MetricError


def pooled(seed: int, size: int, levels: int, **options: int) -> tuple[AnomalyMetrics, ...]:
    rng = np.random.default_rng(seed)
    score = rng.integers(-levels, levels, size).astype(np.float32) / 8
    target = rng.integers(0, 2, size).astype(np.uint8)
    target[:2] = (0, 1)
    metrics = AnomalyMetrics(**options)
    for places in np.array_split(np.arange(size), 3):
        metrics.update(score[places], target[places])
    return metrics, score[target == 1], score[target == 0]  # type: ignore[return-value]


def curves_of(metrics: AnomalyMetrics, points: int) -> AnomalyCurves:
    curves = metrics.curves(points)
    assert curves is not None
    return curves


@given(st.integers(0, 2**32 - 1), st.integers(2, 400), st.sampled_from([1, 9, 10**6]))
@settings(max_examples=40, deadline=None)
def test_every_point_is_what_its_threshold_gives(seed: int, size: int, levels: int) -> None:
    metrics, pos, neg = pooled(seed, size, levels)
    curves, result = curves_of(metrics, 10000), metrics.compute()
    for fpr, tpr, threshold in zip(curves.roc.x, curves.roc.y, curves.roc.thresholds, strict=True):
        assert fpr == pytest.approx(np.mean(neg >= threshold))
        assert tpr == pytest.approx(np.mean(pos >= threshold))
    pr = curves.pr
    assert (pr.x[0], pr.y[0], pr.x[-1]) == (0, 1, 1)
    for recall, precision, threshold in zip(pr.x[1:], pr.y[1:], pr.thresholds[1:], strict=True):
        hits = np.sum(pos >= threshold)
        assert recall == pytest.approx(hits / pos.size)
        assert precision == pytest.approx(hits / (hits + np.sum(neg >= threshold)))
    # All corners are there, so the areas are the figures.
    area = np.sum(np.diff(curves.roc.x) * (curves.roc.y[1:] + curves.roc.y[:-1])) / 2
    assert area == pytest.approx(result.auroc, abs=1e-12)
    assert np.sum(np.diff(pr.x) * pr.y[1:]) == pytest.approx(result.ap, abs=1e-12)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 5000),
    st.sampled_from([3, 10**6]),
    st.integers(4, 60),
)
@settings(max_examples=40, deadline=None)
def test_long_curves_are_thinned_and_keep_their_ends(
    seed: int, size: int, levels: int, points: int
) -> None:
    metrics, *_ = pooled(seed, size, levels)
    whole, curves = curves_of(metrics, 10**6), curves_of(metrics, points)
    for full, thin in ((whole.roc, curves.roc), (whole.pr, curves.pr)):
        assert thin.x.size <= points
        rows = {tuple(row) for row in np.stack([full.x, full.y, full.thresholds], 1).tolist()}
        found = [tuple(row) for row in np.stack([thin.x, thin.y, thin.thresholds], 1).tolist()]
        assert rows.issuperset(found)
        assert (thin.x[0], thin.y[0]) == (full.x[0], full.y[0])
        assert (thin.x[-1], thin.y[-1]) == (full.x[-1], full.y[-1])
        assert np.all(np.diff(thin.x) >= 0)
        if full.x.size < points - 1:
            assert thin.x.size == full.x.size


@given(st.integers(0, 2**32 - 1), st.integers(4, 60))
@settings(max_examples=15, deadline=None)
def test_portions_do_not_change_what_is_kept(seed: int, points: int) -> None:
    whole, *_ = pooled(seed, 4000, 10**6)
    parts, *_ = pooled(seed, 4000, 10**6, memory=16 * 500, block=1024)
    one, other = curves_of(whole, points), curves_of(parts, points)
    assert one.as_dict() == other.as_dict()


def test_curves_are_json() -> None:
    metrics, *_ = pooled(0, 100, 9)
    content = json.loads(json.dumps(curves_of(metrics, 20).as_dict(), allow_nan=False))
    assert content['roc']['thresholds'][0] is None
    assert set(content) == {'roc', 'pr'}


def test_three_points_are_too_few() -> None:
    metrics, *_ = pooled(0, 100, 9)
    with pytest.raises(MetricError, match='received 3 points.*at least 4'):
        metrics.curves(3)
