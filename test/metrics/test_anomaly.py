# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AUROC, AP, FPR95: against scikit-learn, a slow loop, and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from anomaly_seg_ros.metrics import AnomalyMetrics, AnomalyResult, MetricError


def compute(score: NDArray[np.float32], target: NDArray[np.uint8]) -> AnomalyResult:
    """Return the figures of one update."""
    metrics = AnomalyMetrics()
    metrics.update(score, target)
    return metrics.compute()


def slow_reference(score: list[float], target: list[int]) -> tuple[float, float, float]:
    """Count every threshold by hand, from the definitions."""
    pairs = [(s, t) for s, t in zip(score, target, strict=True) if t in (0, 1)]
    pos = [s for s, t in pairs if t == 1]
    neg = [s for s, t in pairs if t == 0]
    wins = sum((p > n) + 0.5 * (p == n) for p in pos for n in neg)
    ap, recall_before, fpr95 = 0.0, 0.0, None
    for threshold in sorted({s for s, _ in pairs}, reverse=True):
        tp = sum(p >= threshold for p in pos)
        fp = sum(n >= threshold for n in neg)
        recall = tp / len(pos)
        ap += (recall - recall_before) * tp / (tp + fp)
        recall_before = recall
        if fpr95 is None and recall >= 0.95:
            fpr95 = fp / len(neg)
    assert fpr95 is not None
    return wins / (len(pos) * len(neg)), ap, fpr95


@st.composite
def sets(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Draw scores with many ties and a target that has both classes and ignored pixels."""
    size = draw(st.integers(2, 120))
    levels = draw(st.integers(1, 30))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    score = rng.integers(-levels, levels, size).astype(np.float32) / 7
    target = rng.choice(np.array([0, 1, 255], np.uint8), size)
    target[:2] = (0, 1)
    return score, target


@given(sets())
@settings(max_examples=60, deadline=None)
def test_equals_the_definitions(case: tuple[NDArray[np.float32], NDArray[np.uint8]]) -> None:
    score, target = case
    result = compute(score, target)
    expected = slow_reference(score.tolist(), target.tolist())
    assert (result.auroc, result.ap, result.fpr95) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize('decimals', [None, 1, 2])
def test_equals_scikit_learn(decimals: int | None) -> None:
    rng = np.random.default_rng(5)
    target = rng.choice(np.array([0, 1, 255], np.uint8), (40, 64, 64), p=(0.89, 0.01, 0.1))
    score = rng.normal(size=target.shape).astype(np.float32) + (target == 1)
    if decimals is not None:
        score = score.round(decimals)
    metrics = AnomalyMetrics()
    for one_score, one_target in zip(score, target, strict=True):
        metrics.update(one_score, one_target)
    result = metrics.compute()
    valid = target != 255
    truth, values = target[valid], score[valid]
    fpr, tpr, _ = roc_curve(truth, values, drop_intermediate=False)
    assert result.auroc == pytest.approx(roc_auc_score(truth, values), abs=1e-9)
    assert result.ap == pytest.approx(average_precision_score(truth, values), abs=1e-9)
    assert result.fpr95 == pytest.approx(fpr[np.searchsorted(tpr, 0.95)], abs=1e-9)
    assert (result.pixels, result.positives) == (valid.sum(), (target == 1).sum())


def test_constant_score_gives_prevalence_and_alarms_everywhere() -> None:
    target = np.array([0] * 97 + [1] * 3, np.uint8)
    result = compute(np.full(100, 0.5, np.float32), target)
    assert result.ap == pytest.approx(0.03)
    assert (result.auroc, result.fpr95) == (0.5, 1.0)


def test_perfect_and_reversed_scores() -> None:
    target = np.array([0] * 10 + [1] * 5 + [255] * 5, np.uint8)
    score = np.concatenate([np.zeros(10), np.ones(5), np.full(5, 9.0)]).astype(np.float32)
    assert compute(score, target) == AnomalyResult(1.0, 1.0, 0.0, 15, 5)
    reverse = compute(-score, target)
    assert (reverse.auroc, reverse.fpr95) == (0.0, 1.0)


@given(sets())
@settings(max_examples=40, deadline=None)
def test_only_the_order_of_scores_counts(
    case: tuple[NDArray[np.float32], NDArray[np.uint8]],
) -> None:
    score, target = case
    # Doubling and an offset of a power of two are exact in float32: no new ties.
    assert compute(score * 2 + 16, target) == compute((score * 2 + 16) * 4 - 32, target)
    order = np.random.default_rng(0).permutation(score.size)
    assert compute(score[order], target[order]) == compute(score, target)


@given(sets())
@settings(max_examples=40, deadline=None)
def test_the_same_images_twice_change_nothing_but_counts(
    case: tuple[NDArray[np.float32], NDArray[np.uint8]],
) -> None:
    score, target = case
    once, twice = AnomalyMetrics(), AnomalyMetrics()
    once.update(score, target)
    twice.update(score, target)
    first = twice.compute()
    twice.merge(once)
    second = twice.compute()
    assert second.pixels == 2 * first.pixels
    assert (second.auroc, second.ap, second.fpr95) == pytest.approx(
        (first.auroc, first.ap, first.fpr95), abs=1e-12
    )


@pytest.mark.parametrize('value', [0, 1])
def test_one_class_alone_has_no_figures(value: int) -> None:
    result = compute(np.arange(4, dtype=np.float32), np.full(4, value, np.uint8))
    assert math.isnan(result.auroc)
    assert math.isnan(result.ap)
    assert math.isnan(result.fpr95)
    assert result.as_dict()['ap'] is None
    assert math.isnan(AnomalyMetrics().compute().auroc)


def test_infinite_scores_are_scores() -> None:
    score = np.array([-np.inf, 0, np.inf, np.inf], np.float32)
    target = np.array([0, 0, 1, 0], np.uint8)
    assert compute(score, target).fpr95 == pytest.approx(1 / 3)


def test_nan_is_refused_where_it_counts_and_nothing_is_added() -> None:
    metrics = AnomalyMetrics()
    with pytest.raises(MetricError, match='1 of 2 scores are NaN'):
        metrics.update(np.array([np.nan, 1], np.float32), np.array([0, 1], np.uint8))
    assert metrics.pixels == 0
    metrics.update(np.array([np.nan, 1], np.float32), np.array([255, 1], np.uint8))
    assert metrics.pixels == 1


@pytest.mark.parametrize(
    ('score', 'target', 'words'),
    [
        (np.zeros((2, 2), np.float32), np.zeros((2, 3), np.uint8), r'\(2, 2\).*\(2, 3\)'),
        (np.zeros(3, np.float32), np.array([0, 1, 2], np.uint8), r'\{0: 1, 1: 1, 2: 1\}'),
        (np.zeros(3, np.uint8), np.zeros(3, np.uint8), 'uint8, expected floats'),
    ],
)
def test_wrong_input_is_named(
    score: NDArray[np.float32], target: NDArray[np.uint8], words: str
) -> None:
    with pytest.raises(MetricError, match=words):
        AnomalyMetrics().update(score, target)


def test_the_limit_on_memory_holds() -> None:
    metrics = AnomalyMetrics(max_pixels=5)
    metrics.update(np.zeros(4, np.float32), np.array([0, 1, 0, 255], np.uint8))
    with pytest.raises(MetricError, match='limit is 5'):
        metrics.update(np.zeros(4, np.float32), np.zeros(4, np.uint8))
    assert metrics.compute().pixels == 3
