# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fused scores: a loop written from the formulas, laws, fitting, files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import combine_pvalues
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from anomaly_seg_ros.fusion import (
    Fusion,
    FusionError,
    Member,
    ScoreSketch,
    TailTable,
    fit_logistic,
    fuse_equally,
    fuse_logistic,
)

SEEDS = st.integers(0, 2**32 - 1)


def table_of(values: np.ndarray) -> TailTable:
    sketch = ScoreSketch()
    sketch.update(values)
    return TailTable.of(sketch)


def random_tables(seed: int, count: int = 3) -> dict[str, TailTable]:
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.01, 50, count)
    return {
        f'score{i}': table_of(rng.gamma(2, size=4000) * scale - scale)
        for i, scale in enumerate(scales)
    }


def slow_reference(fusion: Fusion, values: dict[str, float]) -> float:
    """One pixel, from the formulas: find the segment, interpolate, add."""
    from statistics import NormalDist

    total = fusion.bias
    for member in fusion.members:
        table, value = member.table, values[member.output]
        heights = [
            -math.log(p) if fusion.transform == 'log' else NormalDist().inv_cdf(1 - min(p, 0.999))
            for p in table.tails
        ]
        last = len(heights) - 1
        if value <= table.scores[0]:
            height = heights[0]
        else:
            i = next((i for i in range(last) if value <= table.scores[i + 1]), last - 1)
            slope = (heights[i + 1] - heights[i]) / (table.scores[i + 1] - table.scores[i])
            height = heights[i] + slope * (value - table.scores[i])
        total += member.weight * height
    return total


@given(SEEDS, st.sampled_from(['mean_log', 'stouffer']))
@settings(max_examples=20, deadline=None)
def test_equals_a_loop_over_pixels(seed: int, method: str) -> None:
    fusion = fuse_equally('f', method, random_tables(seed))
    rng = np.random.default_rng(seed)
    maps = {o: (rng.normal(size=(2, 3, 4)) * 60).astype(np.float32) for o in fusion.outputs}
    found = fusion.combine(maps)
    assert found.dtype == np.float32
    assert found.shape == (2, 3, 4)
    for index in np.ndindex(found.shape):
        pixel = {output: float(values[index]) for output, values in maps.items()}
        assert found[index] == pytest.approx(slow_reference(fusion, pixel), rel=1e-5, abs=1e-5)


def test_orders_as_the_published_combinations() -> None:
    rng = np.random.default_rng(4)
    tables = random_tables(4)
    pixels = {o: rng.choice(np.array(t.scores[2:]), 30) for o, t in tables.items()}
    tails = np.stack([np.interp(pixels[o], t.scores, t.tails) for o, t in tables.items()], 1)
    for method, name in (('mean_log', 'fisher'), ('stouffer', 'stouffer')):
        found = fuse_equally('f', method, tables).combine(pixels)
        expected = [combine_pvalues(row, method=name).statistic for row in tails]
        if method == 'mean_log':
            # Fisher's statistic is -2 times the sum of logarithms.
            expected = np.array(expected) / (2 * len(tables))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@given(SEEDS, st.sampled_from(['mean_log', 'stouffer']))
@settings(max_examples=20, deadline=None)
def test_monotone_in_every_score(seed: int, method: str) -> None:
    fusion = fuse_equally('f', method, random_tables(seed))
    rng = np.random.default_rng(seed)
    maps = {o: rng.normal(size=50) * 60 for o in fusion.outputs}
    before = fusion.combine(maps)
    for output in fusion.outputs:
        raised = {**maps, output: maps[output] + rng.exponential(size=50) * 20}
        assert (fusion.combine(raised) >= before).all()


@given(SEEDS, st.sampled_from(['mean_log', 'stouffer']), st.permutations(range(4)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_scores_is_irrelevant(seed: int, method: str, order: list[int]) -> None:
    tables = random_tables(seed, 4)
    names = list(tables)
    shuffled = {names[i]: tables[names[i]] for i in order}
    rng = np.random.default_rng(seed)
    maps = {o: rng.normal(size=50) * 60 for o in tables}
    one = fuse_equally('f', method, tables).combine(maps)
    other = fuse_equally('f', method, shuffled).combine({n: maps[n] for n in shuffled})
    np.testing.assert_array_equal(one, other)


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_units_of_scores_are_irrelevant(seed: int) -> None:
    rng = np.random.default_rng(seed)
    normal, pixels = rng.gamma(2, size=(2, 4000)), rng.gamma(3, size=(2, 50))
    # Powers of two change units without changing digits.
    plain, scaled = (
        fuse_equally('f', 'mean_log', {str(i): table_of(normal[i] * factor[i]) for i in (0, 1)})
        .combine({str(i): pixels[i] * factor[i] for i in (0, 1)})
        for factor in ((1, 1), (1024, 2.0**-7))
    )  # fmt: skip
    np.testing.assert_allclose(plain, scaled, rtol=1e-6)


def test_one_member_keeps_the_order_of_its_score() -> None:
    tables = random_tables(0, 1)
    values = np.sort(
        np.random.default_rng(0).uniform(*(tables['score0'].scores[i] for i in (0, -1)), 99)
    )
    for method in ('mean_log', 'stouffer'):
        assert (np.diff(fuse_equally('f', method, tables).combine({'score0': values})) >= 0).all()


def separable(seed: int = 0, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Two useful features of different units, one of noise."""
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.1).astype(np.uint8)
    x = rng.normal(size=(n, 3)) + np.outer(target, (1.5, 1.0, 0.0))
    return x * (1, 40, 1), target


def test_weights_equal_those_of_a_library() -> None:
    x, target = separable()
    weights, bias = fit_logistic(x[:, :2], target, penalty=1e-9)
    library = LogisticRegression(C=1e6, class_weight='balanced', tol=1e-10, max_iter=5000)
    library.fit(x[:, :2] / (1, 40), target)
    np.testing.assert_allclose(weights * (1, 40), library.coef_[0], rtol=1e-3)
    assert bias == pytest.approx(library.intercept_[0], rel=1e-3)


@pytest.mark.parametrize('seed', range(4))
def test_weights_are_the_best_that_are_not_negative(seed: int) -> None:
    x, target = separable(seed)
    x[:, 2] -= target
    weights, bias = fit_logistic(x, target, penalty=0)
    assert (weights >= 0).all()
    assert weights[2] == 0
    share = np.where(target == 1, 0.5 / target.sum(), 0.5 / (target == 0).sum())
    unit = x / x.std(0)

    def loss(p: np.ndarray) -> float:
        z = unit @ p[:3] + p[3]
        return float(np.sum(share * (np.logaddexp(0, z) - target * z)))

    best = minimize(loss, np.zeros(4), bounds=[(0, None)] * 3 + [(None, None)], tol=1e-12)
    assert loss(np.append(weights * x.std(0), bias)) <= best.fun + 1e-7


@pytest.mark.parametrize(
    ('features', 'target', 'message'),
    [
        (np.zeros((3, 2)), np.zeros(3), '0 anomalous and 3 normal'),
        (np.zeros((3, 2)), np.ones(3), '3 anomalous and 0 normal'),
        (np.zeros((3, 2)), np.array([0, 1, 255]), 'only 1 and 0'),
        (np.zeros((3, 2)), np.zeros(4), r'\(3, 2\)'),
        (np.zeros(3), np.zeros(3), r'\(n, k\)'),
        (np.full((2, 1), np.nan), np.array([0, 1]), 'not finite'),
    ],
)
def test_refuses_what_cannot_be_fitted(features: Any, target: Any, message: str) -> None:
    with pytest.raises(FusionError, match=message):
        fit_logistic(features, target)


def test_a_fitted_fusion_beats_its_members_and_drops_noise() -> None:
    x, target = separable(3, 20_000)
    tables = {str(i): table_of(x[target == 0, i]) for i in range(3)}
    samples = {str(i): x[:, i] for i in range(3)}
    fusion = fuse_logistic('f', tables, samples, target, provenance={'seed': 3})
    assert fusion.outputs == ('0', '1')
    fresh, truth = separable(4, 20_000)
    maps = {str(i): fresh[:, i] for i in range(3)}
    fused = roc_auc_score(truth, fusion.combine(maps))
    assert fused > max(roc_auc_score(truth, values) for values in maps.values()) + 0.02
    assert fusion.provenance == {'seed': 3}


def test_no_score_helps() -> None:
    x, target = separable()
    tables = {'0': table_of(x[:, 0])}
    with pytest.raises(FusionError, match='no score is higher on anomalies'):
        fuse_logistic('f', tables, {'0': x[:, 0]}, 1 - target)


def test_files_give_the_same_fusion(tmp_path: Path) -> None:
    fusion = Fusion(
        'both', 'log',
        tuple(Member(o, 0.25 + i, t) for i, (o, t) in enumerate(random_tables(1).items())),
        -1.5, {'images': 3},
    )  # fmt: skip
    fusion.save(tmp_path / 'fusion.json')
    loaded = Fusion.load(tmp_path / 'fusion.json')
    assert loaded == fusion
    maps = {o: np.linspace(-50, 50, 99) for o in fusion.outputs}
    np.testing.assert_array_equal(loaded.combine(maps), fusion.combine(maps))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'format': 'card'}, 'format'),
        ({'format_version': 2}, 'version 2, expected 1'),
        ({'transform': 'rank'}, 'log, normal'),
        ({'members': []}, 'one or more'),
        ({'members': None}, 'not whole'),
        ({'bias': None}, 'not whole'),
        ({'bias': math.inf}, 'bias'),
        ({'weight': -1.0}, 'weights'),
        ({'weight': 0.0}, 'weights'),
        ({'weight': True}, 'not whole'),
        ({'scores': [1.0]}, '1 scores'),
        ({'scores': '12'}, 'not whole'),
        ({'tails': [0.5, 0.6]}, 'monotone'),
    ],
)
def test_refuses_files_that_are_wrong(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    fusion = Fusion('f', 'log', (Member('a', 1.0, TailTable((0.0, 1.0), (1.0, 0.1))),))
    content = fusion.to_json()
    for key, value in change.items():
        (content['members'][0] if key in content['members'][0] else content)[key] = value
    (tmp_path / 'fusion.json').write_text(json.dumps(content))
    with pytest.raises(FusionError, match=message):
        Fusion.load(tmp_path / 'fusion.json')


def test_refuses_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match='cannot read'):
        Fusion.load(tmp_path / 'absent.json')
    (tmp_path / 'text.json').write_text('{')
    with pytest.raises(FusionError, match='cannot read'):
        Fusion.load(tmp_path / 'text.json')
    (tmp_path / 'large.json').write_bytes(b' ' * 2_000_000)
    with pytest.raises(FusionError, match='bytes'):
        Fusion.load(tmp_path / 'large.json')


def test_refuses_maps_that_do_not_fit() -> None:
    fusion = fuse_equally('f', 'mean_log', random_tables(0, 2))
    with pytest.raises(FusionError, match="needs the output 'score1'"):
        fusion.combine({'score0': np.zeros(3)})
    with pytest.raises(FusionError, match='one shape'):
        fusion.combine({'score0': np.zeros(3), 'score1': np.zeros(4)})
    with pytest.raises(FusionError, match='mean_log or stouffer'):
        fuse_equally('f', 'logistic', random_tables(0))
    with pytest.raises(FusionError, match='one or more'):
        fuse_equally('f', 'stouffer', {})
    with pytest.raises(FusionError, match='different outputs'):
        Fusion('f', 'log', fusion.members * 2)
