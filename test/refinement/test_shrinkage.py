# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shrunk class statistics: against plain loops, and what always holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_seg_ros.refinement import RefinementError, Shrinkage, statistics_table

Table = dict[str, list[float]]


def plain(table: Table, mean: float, std: float) -> tuple[list[float], list[float]]:
    """Return means and deviations by loops, from the definition."""
    total = sum(table['count'])
    weights = [n / total if total else 1 / len(table['count']) for n in table['count']]
    common = math.fsum(w * m for w, m in zip(weights, table['mean'], strict=True))
    variance = math.fsum(w * s * s for w, s in zip(weights, table['std'], strict=True))
    within = math.log(variance) / 2
    return (
        [m + mean * (common - m) for m in table['mean']],
        [math.exp(math.log(s) + std * (within - math.log(s))) for s in table['std']],
    )


@st.composite
def tables(draw: st.DrawFn) -> Table:
    classes = draw(st.integers(1, 6))

    def values(low: float, high: float) -> list[float]:
        return draw(st.lists(st.floats(low, high), min_size=classes, max_size=classes))

    counts = draw(st.lists(st.integers(0, 10**9), min_size=classes, max_size=classes))
    return {'count': counts, 'mean': values(-50, 50), 'std': values(0.01, 20)}


SHARES = st.floats(0, 1)


def test_by_hand() -> None:
    table: Table = {'count': [3, 1, 0], 'mean': [-4, 4, 10], 'std': [1, 5, 2]}
    mean, std = Shrinkage(0.5, 1.0).apply(table)
    # Of four pixels the mean is -2 and the variance within classes (3 + 25) / 4.
    assert mean.tolist() == [-3, 1, 4]
    assert std.tolist() == pytest.approx([math.sqrt(7)] * 3)
    assert Shrinkage(0, 0.5).apply(table)[1][1] == pytest.approx(math.sqrt(5 * math.sqrt(7)))


@given(tables(), SHARES, SHARES)
def test_against_loops(table: Table, mean: float, std: float) -> None:
    found = Shrinkage(mean, std).apply(table)
    np.testing.assert_allclose(found, plain(table, mean, std), rtol=1e-9, atol=1e-9)


@given(tables(), SHARES)
def test_the_mean_of_all_pixels_stays_and_classes_keep_their_order(
    table: Table, share: float
) -> None:
    mean, std = Shrinkage(share, share).apply(table)
    if any(table['count']):
        before = np.average(table['mean'], weights=table['count'])
        assert np.average(mean, weights=table['count']) == pytest.approx(before, abs=1e-6)
    for found, own in ((mean, table['mean']), (std, table['std'])):
        ordered = found[np.argsort(own, kind='stable')]
        assert (np.diff(ordered) >= -1e-9).all()
    assert (std > 0).all()


@given(tables())
def test_ends(table: Table) -> None:
    mean, std = Shrinkage().apply(table)
    assert (mean.tolist(), std.tolist()) == (table['mean'], table['std'])
    mean, std = Shrinkage(1, 1).apply(table)
    assert np.ptp(mean) == pytest.approx(0, abs=1e-9)
    assert np.ptp(std) == pytest.approx(0, abs=1e-9)


def test_only_what_changes_something_is_true() -> None:
    assert not Shrinkage()
    assert Shrinkage(mean=0.1)
    assert Shrinkage(std=0.1)


@pytest.mark.parametrize('wrong', [-0.1, 1.1, math.nan, 'half', None, True])
def test_shares_outside_0_to_1(wrong: Any) -> None:
    for key in ('mean', 'std'):
        with pytest.raises(RefinementError, match=f'of the {key}, expected 0 to 1'):
            Shrinkage(**{key: wrong})


def test_table_of_a_card() -> None:
    card = {'energy': {'count': [1, 1], 'mean': [-3.0, 5.0], 'std': [1.0, 7.0]}}
    table = statistics_table(card, ('entropy', 'energy'), 2, Shrinkage(0.5, 1.0))
    assert table.tolist() == [[[0, 0], [1, 1]], [[-1, 3], [5, 5]]]
