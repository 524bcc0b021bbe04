# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Component figures against sets of pixels, by hand, and by laws."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anomaly_seg_ros.metrics import (
    COMPONENT_RULES,
    ComponentMetrics,
    ComponentRule,
    MetricError,
)

Pixels = frozenset[tuple[int, int]]
ANY = ComponentRule(0, 0)


def slow_components(pixels: set[tuple[int, int]]) -> list[Pixels]:
    """Grow components to all eight neighbours, pixel by pixel."""
    rest, found = set(pixels), []
    while rest:
        frontier, component = [rest.pop()], set()
        while frontier:
            row, column = frontier.pop()
            component.add((row, column))
            for r in (row - 1, row, row + 1):
                for c in (column - 1, column, column + 1):
                    if (r, c) in rest:
                        rest.remove((r, c))
                        frontier.append((r, c))
        found.append(frozenset(component))
    return found


def slow_reference(
    mask: NDArray[np.bool_], target: NDArray[np.uint8], rule: ComponentRule
) -> tuple[list[float], list[float]]:
    """Return sorted sIoU and PPV from the definitions, in sets."""
    everything = {(int(r), int(c)) for r, c in np.ndindex(target.shape)}
    ignored = {p for p in everything if target[p] == 255}
    predicted = slow_components({p for p in everything if mask[p]} - ignored)
    predicted = [p for p in predicted if len(p) >= rule.min_predicted]
    truths = slow_components({p for p in everything if target[p] == 1})
    for truth in truths:
        if len(truth) < rule.min_target:
            ignored |= truth
    truths = [t for t in truths if len(t) >= rule.min_target]
    predicted = [p - ignored for p in predicted if p - ignored]
    siou = []
    for truth in truths:
        touching = frozenset().union(*(p for p in predicted if p & truth))
        others = frozenset().union(*(t for t in truths if t is not truth))
        shared = len(truth & touching)
        union = len(truth) + len(touching) - shared - len(touching & others)
        siou.append(shared / union)
    all_truth = frozenset().union(*truths)
    return sorted(siou), sorted(len(p & all_truth) / len(p) for p in predicted)


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.bool_], NDArray[np.uint8], ComponentRule]:
    """Draw masks and targets of blobs."""
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def blobs(count: int) -> NDArray[np.bool_]:
        found = np.zeros(shape, bool)
        for _ in range(count):
            row, column = rng.integers(0, shape)
            height, width = rng.integers(1, 6, 2)
            found[row : row + height, column : column + width] = True
        return found

    target = blobs(draw(st.integers(0, 5))).astype(np.uint8)
    target[blobs(draw(st.integers(0, 2)))] = 255
    mask = blobs(draw(st.integers(0, 6))) ^ (rng.random(shape) < 0.05)
    rule = ComponentRule(draw(st.integers(0, 9)), draw(st.integers(0, 9)))
    return mask, target, rule


@given(cases())
@settings(max_examples=150, deadline=None)
def test_equals_sets_of_pixels(
    case: tuple[NDArray[np.bool_], NDArray[np.uint8], ComponentRule],
) -> None:
    mask, target, rule = case
    metrics = ComponentMetrics(rule)
    metrics.update(mask, target)
    siou, ppv = slow_reference(mask, target, rule)
    assert sorted(metrics.siou) == pytest.approx(siou, abs=1e-12)
    assert sorted(metrics.ppv) == pytest.approx(ppv, abs=1e-12)
    result = metrics.compute()
    assert (result.target_components, result.predicted_components) == (len(siou), len(ppv))
    f1 = []
    for tau in np.linspace(0.25, 0.75, 11):
        tp, fn = sum(s >= tau for s in siou), sum(s < tau for s in siou)
        fp = sum(p < tau for p in ppv)
        f1.append(2 * tp / (2 * tp + fn + fp) if tp + fn + fp else 1.0)
    if siou or ppv:
        assert result.f1_star == pytest.approx(np.mean(f1))
    else:
        assert (result.f1_star, result.siou, result.ppv) == (None, None, None)
    json.dumps(result.as_dict(), allow_nan=False)


def picture(*rows: str) -> NDArray[np.uint8]:
    """Return an array from letters: ``.`` 0, ``#`` 1, ``x`` 255."""
    return np.array([[{'.': 0, '#': 1, 'x': 255}[c] for c in row] for row in rows], np.uint8)


def test_a_case_by_hand() -> None:
    target = picture(
        '##..##..',
        '##..##..',
        '........',
    )
    mask = picture(
        '.####..#',
        '.####..#',
        '........',
    )
    metrics = ComponentMetrics(ANY)
    metrics.update(mask, target)
    # One prediction of 8 pixels touches both objects and shares 2 with each:
    # 2 / (4 + 8 - 2 - 2) = 1/4; half of it lies on objects. The other one lies on none.
    assert metrics.siou == [0.25, 0.25]
    assert metrics.ppv == [0.5, 0.0]
    result = metrics.compute()
    assert (result.siou, result.ppv) == (0.25, 0.25)
    # At tau = 0.25 both are found and one prediction is wrong, then both are missed.
    assert result.true_positives == (2, *[0] * 10)
    assert result.false_negatives == (0, *[2] * 10)
    assert result.false_positives == tuple([1] * 6 + [2] * 5)
    assert result.f1_star == pytest.approx(2 * 2 / (2 * 2 + 1) / 11)


def test_corners_connect_and_ignored_stripes_split() -> None:
    target = picture('#.x..', '.#x..', '..x..')
    mask = picture('###..', '.####', '.....')
    metrics = ComponentMetrics(ANY)
    metrics.update(mask, target)
    assert metrics.siou == pytest.approx([2 / 3])
    assert sorted(metrics.ppv) == pytest.approx([0, 2 / 3])
    # Either part alone is too small, together they would not have been.
    metrics = ComponentMetrics(ComponentRule(min_predicted=4, min_target=0))
    metrics.update(mask, target)
    assert (metrics.siou, metrics.ppv) == ([0.0], [])


def test_small_truth_is_ignored_with_the_prediction_on_it() -> None:
    target = picture('#...###', '....###')
    mask = picture('##..##.', '##..##.')
    metrics = ComponentMetrics(ComponentRule(min_predicted=4, min_target=2))
    metrics.update(mask, target)
    # The prediction of four pixels stays although only three of them count.
    assert metrics.siou == pytest.approx([4 / 6])
    assert metrics.ppv == [0.0, 1.0]


def test_scores_are_compared_strictly_and_as_float32() -> None:
    target = picture('##..')
    score = np.array([[0.1, 0.7, 0.7, 0.0]], np.float64)
    metrics = ComponentMetrics(ANY, threshold=0.1)
    metrics.update(score, target)
    masked = ComponentMetrics(ANY)
    masked.update(np.array([[False, True, True, False]]), target)
    assert metrics.siou == masked.siou == pytest.approx([1 / 3])


def test_without_predictions_all_is_missed_and_without_truth_all_is_wrong() -> None:
    metrics = ComponentMetrics(ANY)
    metrics.update(picture('....'), picture('.##.'))
    result = metrics.compute()
    assert (result.siou, result.ppv, result.f1_star) == (0.0, None, 0.0)
    metrics = ComponentMetrics(ANY)
    metrics.update(picture('.##.'), picture('....'))
    result = metrics.compute()
    assert (result.siou, result.ppv, result.f1_star) == (None, 0.0, 0.0)
    metrics = ComponentMetrics(ANY)
    metrics.update(picture('####'), picture('xxxx'))
    assert metrics.compute().f1_star is None
    assert metrics.compute().images == 1


def test_perfect_masks_of_either_kind_score_one() -> None:
    target = picture('##...', '##..#')
    for mask in (target, target * 255, target.astype(bool)):
        metrics = ComponentMetrics(ANY)
        metrics.update(mask, target)
        result = metrics.compute()
        assert (result.siou, result.ppv, result.f1_star) == (1, 1, 1)


@given(st.lists(cases(), min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_merging_and_order_change_nothing(
    drawn: list[tuple[NDArray[np.bool_], NDArray[np.uint8], ComponentRule]], random: object
) -> None:
    rule = drawn[0][2]
    whole, parts = ComponentMetrics(rule), ComponentMetrics(rule)
    for mask, target, _ in drawn:
        whole.update(mask, target)
    for mask, target, _ in reversed(drawn):
        part = ComponentMetrics(rule)
        part.update(mask[None], target[None])
        parts.merge(part)
    assert parts.compute() == whole.compute()
    # Every image twice changes no figure.
    parts.merge(whole)
    twice, once = parts.compute(), whole.compute()
    if once.f1_star is not None:
        assert twice.f1_star == pytest.approx(once.f1_star, abs=1e-12)


def test_rules_are_those_of_the_benchmark() -> None:
    assert {
        'smiyc-anomaly': ComponentRule(500, 100),
        'smiyc-obstacle': ComponentRule(50, 10),
    } == COMPONENT_RULES
    assert ComponentMetrics().rule == COMPONENT_RULES['smiyc-anomaly']


@pytest.mark.parametrize(
    ('prediction', 'target', 'words'),
    [
        (np.zeros((2, 2), bool), np.zeros((2, 3), np.uint8), r'\(2, 2\).*\(2, 3\)'),
        (np.zeros((1, 3), bool), np.array([[0, 1, 2]], np.uint8), r'\{0: 1, 1: 1, 2: 1\}'),
        (np.zeros((1, 3), np.float32), np.zeros((1, 3), np.uint8), 'a threshold'),
        (np.zeros(3, bool), np.zeros(3, np.uint8), r'expected \(H, W\)'),
    ],
)
def test_wrong_input_is_named(
    prediction: NDArray[np.bool_], target: NDArray[np.uint8], words: str
) -> None:
    metrics = ComponentMetrics()
    with pytest.raises(MetricError, match=words):
        metrics.update(prediction, target)
    assert metrics.compute().images == 0


def test_other_rules_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match='cannot add'):
        ComponentMetrics(ANY).merge(ComponentMetrics())
