# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sketches and tail tables: against counting, the exponential law, and laws of order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from anomaly_seg_ros.fusion import FusionError, ScoreSketch, TailTable

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)


def sketch_of(*parts: np.ndarray) -> ScoreSketch:
    sketch = ScoreSketch()
    for part in parts:
        sketch.update(part)
    return sketch


@given(arrays(np.float32, st.integers(1, 60), elements=FINITE))
@settings(max_examples=60, deadline=None)
def test_the_share_above_every_edge_is_exact(values: np.ndarray) -> None:
    edges, survival = sketch_of(values).survival()
    assert (np.diff(edges) > 0).all()
    assert survival[0] == 1
    for edge, share in zip(edges, survival, strict=True):
        assert share == pytest.approx(sum(v >= edge for v in values.tolist()) / len(values))
    # Every value lies above an edge that is no more than a two-thousandth away.
    for value in values.tolist():
        edge = edges[edges <= value][-1]
        assert value - edge <= abs(value) / 1000 + 1e-37


def test_parts_merge_to_the_whole() -> None:
    values = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    merged = sketch_of(values[0])
    merged.merge(sketch_of(values[1], values[2]))
    whole = sketch_of(values)
    assert merged.count == whole.count == 150
    for ours, theirs in zip(merged.survival(), whole.survival(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(value: float) -> None:
    sketch = sketch_of(np.zeros(3))
    with pytest.raises(FusionError, match='not finite'):
        sketch.update(np.array([1.0, value]))
    assert sketch.count == 3


def test_negative_zero_is_zero() -> None:
    edges, survival = sketch_of(np.array([-0.0, 0.0, 1.0], np.float32)).survival()
    assert edges.tolist() == [0, 1]
    assert survival.tolist() == [1, pytest.approx(1 / 3)]


def test_exponential_scores_become_themselves() -> None:
    # For P(S >= s) = exp(-s), -ln p is the score.
    values = np.random.default_rng(1).exponential(size=1_000_000)
    table = TailTable.of(sketch_of(values))
    found = table.apply(np.array([0.5, 1.0, 3.0, 6.0, 12.0]), 'log')
    np.testing.assert_allclose(found[:4], [0.5, 1, 3, 6], rtol=0.03)
    # Beyond all that was seen the slope goes on.
    assert found[4] == pytest.approx(12, rel=0.25)


def test_normal_scores_become_themselves() -> None:
    values = np.random.default_rng(2).normal(size=1_000_000) * 3 - 5
    table = TailTable.of(sketch_of(values))
    found = table.apply(np.array([-5.0, -2.0, 1.0, 4.0]), 'normal')
    np.testing.assert_allclose(found, [0, 1, 2, 3], atol=0.05)


def test_knots_equal_counting_and_library_quantiles() -> None:
    values = np.random.default_rng(3).gamma(2, size=50_000).astype(np.float32)
    table = TailTable.of(sketch_of(values))
    for score, tail in zip(table.scores, table.tails, strict=True):
        assert tail == pytest.approx(np.mean(values >= score), abs=1e-12)
        assert table.apply(np.array(score), 'log') == pytest.approx(-math.log(tail))
        expected = norm.isf(min(tail, 0.999))
        assert table.apply(np.array(score), 'normal') == pytest.approx(expected)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(['log', 'normal']),
    arrays(np.float64, 40, elements=st.floats(-50, 50)),
)
@settings(max_examples=40, deadline=None)
def test_monotone(seed: int, transform: str, values: np.ndarray) -> None:
    rng = np.random.default_rng(seed)
    # Ties in the normal scores, as saturated softmax has them.
    normal = rng.normal(size=3000).round(int(rng.integers(0, 4)))
    table = TailTable.of(sketch_of(normal))
    ordered = np.sort(values)
    found = table.apply(ordered, transform)
    assert (np.diff(found) >= 0).all()
    beyond = ordered > table.scores[0]
    assert (np.diff(found[beyond]) > 0)[np.diff(ordered[beyond]) > 1e-6].all()


def test_half_precision_maps() -> None:
    table = TailTable((0.0, 1.0), (1.0, 0.1))
    found = table.apply(np.array([[0.5, 2.0]], np.float16), 'log')
    np.testing.assert_allclose(found, [[0.5 * math.log(10), 2 * math.log(10)]])


@pytest.mark.parametrize(
    ('scores', 'tails'),
    [
        ((0.0,), (1.0,)),
        ((0.0, 1.0), (1.0, 0.5, 0.1)),
        ((0.0, 0.0), (1.0, 0.5)),
        ((1.0, 0.0), (1.0, 0.5)),
        ((0.0, math.nan), (1.0, 0.5)),
        ((0.0, math.inf), (1.0, 0.5)),
        ((0.0, 1.0), (0.5, 0.5)),
        ((0.0, 1.0), (1.5, 0.5)),
        ((0.0, 1.0), (1.0, 0.0)),
        ((0.0, 1.0), (1.0, math.nan)),
    ],
)
def test_refuses_tables_that_are_none(scores: tuple, tails: tuple) -> None:
    with pytest.raises(FusionError, match='expected'):
        TailTable(scores, tails)


def test_says_what_is_missing() -> None:
    with pytest.raises(FusionError, match='received 7 normal pixels'):
        TailTable.of(sketch_of(np.arange(7)))
    with pytest.raises(FusionError, match='one value'):
        TailTable.of(sketch_of(np.ones(5000)))
    with pytest.raises(FusionError, match='log, normal'):
        TailTable((0.0, 1.0), (1.0, 0.1)).apply(np.zeros(1), 'rank')
