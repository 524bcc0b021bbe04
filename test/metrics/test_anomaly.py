# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anomaly figures: against scikit-learn, a slow loop, hand-computed cases, and laws."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import pickle
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from anomaly_seg_ros.metrics import AnomalyMetrics, AnomalyResult, MetricError, PerImageMetrics

Scores = NDArray[np.float32]
Target = NDArray[np.uint8]
FPRS = ('fpr95', 'fpr95_nearest', 'fpr95_caos', 'fpr95_interpolated')
FIGURES = ('auroc', 'ap', *FPRS, 'best_f1')


def compute(score: Scores, target: Target, **options: int) -> AnomalyResult:
    """Return the figures of one update."""
    metrics = AnomalyMetrics(**options)
    metrics.update(score, target)
    return metrics.compute()


def values(result: AnomalyResult) -> dict[str, float | None]:
    """Return the figures alone."""
    return {name: getattr(result, name) for name in FIGURES}


def slow_reference(score: list[float], target: list[int]) -> dict[str, float]:
    """Count every threshold by hand, from the definitions."""
    pairs = [(s, t) for s, t in zip(score, target, strict=True) if t in (0, 1)]
    pos = [s for s, t in pairs if t == 1]
    neg = [s for s, t in pairs if t == 0]
    wins = sum((p > n) + 0.5 * (p == n) for p in pos for n in neg)
    points = [(0, 0)] + [
        (sum(p >= threshold for p in pos), sum(n >= threshold for n in neg))
        for threshold in sorted({s for s, _ in pairs}, reverse=True)
    ]
    ap, best_f1 = 0.0, 0.0
    for (tp_before, _), (tp, fp) in pairwise(points):
        ap += (tp - tp_before) / len(pos) * tp / (tp + fp)
        best_f1 = max(best_f1, 2 * tp / (2 * tp + fp + len(pos) - tp))
    recalls = [tp / len(pos) for tp, _ in points]
    fprs = [fp / len(neg) for _, fp in points]
    first = next(i for i, recall in enumerate(recalls) if recall >= 0.95)
    distances = [abs(recall - 0.95) for recall in recalls]
    # CAOS walks from the first point of full recall to higher thresholds.
    walk = range(recalls.index(1.0), 0, -1)
    caos = min(walk, key=lambda i: distances[i])
    after = next(i for i, recall in enumerate(recalls) if recall > 0.95)
    share = (0.95 - recalls[after - 1]) / (recalls[after] - recalls[after - 1])
    return {
        'auroc': wins / (len(pos) * len(neg)),
        'ap': ap,
        'fpr95': fprs[first],
        'fpr95_nearest': fprs[distances.index(min(distances))],
        'fpr95_caos': fprs[caos],
        'fpr95_interpolated': fprs[after - 1] + share * (fprs[after] - fprs[after - 1]),
        'best_f1': best_f1,
    }


@st.composite
def sets(draw: st.DrawFn, size: int = 120) -> tuple[Scores, Target]:
    """Draw scores with many ties and a target that has both classes and ignored pixels."""
    size = draw(st.integers(2, size))
    levels = draw(st.sampled_from([1, 2, 5, 30, 10**6]))
    prevalence = draw(st.sampled_from([0.02, 0.3, 0.9]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    score = rng.integers(-levels, levels, size).astype(np.float32) / 8
    share = 0.8 * prevalence
    target = rng.choice(np.array([0, 1, 255], np.uint8), size, p=(0.8 - share, share, 0.2))
    target[:2] = (0, 1)
    return score, target


def fill(metrics: AnomalyMetrics, score: Scores, target: Target, parts: int) -> AnomalyMetrics:
    """Add scores in portions."""
    for places in np.array_split(np.arange(score.size), parts):
        metrics.update(score[places], target[places])
    return metrics


@given(sets())
@example(case=(np.array([1, 0, 0, 1], np.float32), np.array([1, 0, 1, 0], np.uint8)))
@settings(max_examples=60, deadline=None)
def test_equals_the_definitions(case: tuple[Scores, Target]) -> None:
    score, target = case
    expected = slow_reference(score.tolist(), target.tolist())
    assert values(compute(score, target)) == pytest.approx(expected, abs=1e-12)


def test_a_case_by_hand() -> None:
    #                 score  5  4  4  3  2  1  0
    score = np.array([5, 4, 4, 3, 2, 1, 0, 9], np.float32)
    target = np.array([1, 1, 0, 0, 1, 0, 0, 255], np.uint8)
    # Points (TP, FP): (1, 0) at 5, (2, 1) at 4, (2, 2) at 3, (3, 2) at 2, (3, 4) at the end.
    result = compute(score, target)
    assert result.auroc == pytest.approx((4 + 3.5 + 2) / 12)
    assert result.ap == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)
    # The first point with recall 1 is also the nearest: 1 is nearer to 0.95 than 2/3.
    assert (result.fpr95, result.fpr95_nearest, result.fpr95_caos) == (0.5, 0.5, 0.5)
    # Between (2, 2) and (3, 2) the line is vertical.
    assert result.fpr95_interpolated == pytest.approx(0.5)
    assert result.best_f1 == pytest.approx(2 * 3 / (3 + 2 + 3))
    assert (result.best_f1_threshold, result.pixels, result.anomalous_pixels) == (2.0, 7, 3)
    mask = score > result.best_f1_mask_threshold
    assert np.array_equal(mask, score >= 2)


def test_conventions_of_fpr95_differ_as_documented() -> None:
    # Ten anomalous pixels, so that 0.9 is nearer to 0.95 in floats than 1; two normal ones lie
    # between the ninth and the tenth, one of them equal to the tenth.
    score = np.array([*range(20, 11, -1), 8, 10, 8, 0, 0], np.float32)
    target = np.array([1] * 10 + [0] * 4, np.uint8)
    result = compute(score, target)
    assert abs(0.9 - 0.95) < abs(1.0 - 0.95)
    assert result.fpr95 == 0.5
    assert result.fpr95_nearest == 0.0
    assert result.fpr95_caos == 0.25
    assert result.fpr95_interpolated == pytest.approx(0.25 + 0.25 / 2)


@pytest.mark.parametrize('decimals', [None, 1, 2])
@pytest.mark.parametrize('memory', [2**14, 2**27])
def test_equals_scikit_learn(decimals: int | None, memory: int) -> None:
    rng = np.random.default_rng(5)
    target = rng.choice(np.array([0, 1, 255], np.uint8), (40, 32, 64), p=(0.85, 0.05, 0.1))
    score = rng.normal(size=target.shape).astype(np.float32) + (target == 1)
    if decimals is not None:
        score = score.round(decimals)
    metrics = AnomalyMetrics(memory=memory, block=2048)
    for one_score, one_target in zip(score, target, strict=True):
        metrics.update(one_score, one_target)
    result = metrics.compute()
    valid = target != 255
    truth, kept = target[valid], score[valid]
    fpr, tpr, _ = roc_curve(truth, kept, drop_intermediate=False)
    precision, recall, thresholds = precision_recall_curve(truth, kept)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    best = f1.size - 1 - int(np.argmax(f1[::-1]))
    expected = {
        'auroc': roc_auc_score(truth, kept),
        'ap': average_precision_score(truth, kept),
        'fpr95': fpr[np.argmax(tpr >= 0.95)],
        'fpr95_nearest': fpr[np.argmin(np.abs(tpr - 0.95))],
        'fpr95_interpolated': np.interp(0.95, tpr, fpr),
        'best_f1': f1[best],
    }
    found = {name: getattr(result, name) for name in expected}
    assert found == pytest.approx(expected, abs=1e-12)
    assert result.best_f1_threshold == thresholds[best]
    assert (result.pixels, result.anomalous_pixels) == (valid.sum(), (target == 1).sum())
    assert result.images == 40


@given(sets(6000), st.integers(1, 8), st.sampled_from([300, 1000, 5000]), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_what_goes_to_disk_changes_nothing(
    case: tuple[Scores, Target], parts: int, capacity: int, blocks: int
) -> None:
    score, target = case
    metrics = AnomalyMetrics(memory=16 * capacity, block=1024 << blocks)
    result = fill(metrics, score, target, parts).compute()
    # Not even the last bit.
    assert replace(result, images=1) == compute(score, target)


@given(sets(4000), st.integers(1, 5), st.sampled_from([1000, 1 << 20]))
@settings(max_examples=20, deadline=None)
def test_scores_without_maps_are_the_same(
    case: tuple[Scores, Target], parts: int, memory: int
) -> None:
    score, target = case
    metrics = AnomalyMetrics(memory=memory)
    for some, where in zip(
        np.array_split(score, parts), np.array_split(target, parts), strict=True
    ):
        metrics.add_scores(some[where == 1], some[where == 0])
    assert metrics.images == parts
    assert values(metrics.compute()) == values(compute(score, target))


@given(sets(4000), st.integers(1, 4000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_merging_equals_adding(case: tuple[Scores, Target], cut: int, on_disk: bool) -> None:
    score, target = case
    options = {'memory': 16 * 300, 'block': 1024} if on_disk else {}
    first, second = AnomalyMetrics(**options), AnomalyMetrics(**options)
    first.update(score[:cut], target[:cut])
    second.update(score[cut:], target[cut:])
    alone = second.compute()
    first.merge(second)
    both = AnomalyMetrics()
    both.update(score[:cut], target[:cut])
    both.update(score[cut:], target[cut:])
    assert first.compute() == both.compute()
    assert second.compute() == alone


@given(sets(), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_only_the_order_of_scores_counts(case: tuple[Scores, Target], seed: int) -> None:
    score, target = case
    # Doubling and an offset of a power of two are exact in float32: no new ties.
    assert values(compute(score * 2 + 16, target)) == values(compute(score, target))
    order = np.random.default_rng(seed).permutation(score.size)
    assert compute(score[order], target[order]) == compute(score, target)


@given(sets())
@settings(max_examples=40, deadline=None)
def test_the_same_images_twice_change_nothing_but_counts(case: tuple[Scores, Target]) -> None:
    score, target = case
    once, twice = AnomalyMetrics(), AnomalyMetrics()
    once.update(score, target)
    twice.update(score, target)
    first = twice.compute()
    twice.merge(once)
    second = twice.compute()
    assert (second.pixels, second.images) == (2 * first.pixels, 2)
    assert values(second) == pytest.approx(values(first), abs=1e-12)


def test_constant_score_gives_prevalence_and_alarms_everywhere() -> None:
    target = np.array([0] * 97 + [1] * 3, np.uint8)
    result = compute(np.full(100, 0.5, np.float32), target)
    assert result.ap == pytest.approx(0.03)
    assert (result.auroc, result.fpr95, result.fpr95_nearest, result.fpr95_caos) == (0.5, 1, 1, 1)
    assert result.fpr95_interpolated == pytest.approx(0.95)
    assert result.best_f1 == pytest.approx(6 / 103)


def test_mass_ties_larger_than_a_block_cost_no_block() -> None:
    rng = np.random.default_rng(2)
    score = rng.choice(np.array([-1, 0, 0, 0, 3], np.float32), 20000)
    target = (rng.random(score.size) < 0.1).astype(np.uint8)
    metrics = AnomalyMetrics(memory=16 * 700, block=1024)
    result = fill(metrics, score, target, 9).compute()
    assert replace(result, images=1) == compute(score, target)
    assert result.auroc == pytest.approx(roc_auc_score(target, score), abs=1e-12)


def test_perfect_and_reversed_scores() -> None:
    target = np.array([0] * 10 + [1] * 5 + [255] * 5, np.uint8)
    score = np.concatenate([np.zeros(10), np.ones(5), np.full(5, 9.0)]).astype(np.float32)
    result = compute(score, target)
    assert (result.auroc, result.ap, result.best_f1, result.best_f1_threshold) == (1, 1, 1, 1)
    assert {getattr(result, name) for name in FPRS} == {0.0}
    reverse = compute(-score, target)
    assert (reverse.auroc, reverse.fpr95) == (0.0, 1.0)


@pytest.mark.parametrize('value', [0, 1])
def test_one_class_alone_has_no_figures(value: int) -> None:
    metrics = AnomalyMetrics()
    metrics.update(np.arange(4, dtype=np.float32), np.full(4, value, np.uint8))
    result = metrics.compute()
    assert set(values(result).values()) == {None}
    assert (result.pixels, result.images, metrics.curves()) == (4, 1, None)
    assert result.best_f1_mask_threshold is None
    json.dumps(result.as_dict(), allow_nan=False)
    assert AnomalyMetrics().compute().pixels == 0


def test_infinite_scores_are_scores() -> None:
    score = np.array([-np.inf, 0, np.inf, np.inf], np.float32)
    target = np.array([0, 0, 1, 0], np.uint8)
    result = compute(score, target)
    assert result.fpr95 == pytest.approx(1 / 3)
    assert result.best_f1_threshold == math.inf
    assert result.as_dict()['best_f1_threshold'] is None


def test_negative_zero_equals_zero() -> None:
    score = np.array([0.0, -0.0, -0.0, 0.0], np.float32)
    assert compute(score, np.array([0, 1, 0, 1], np.uint8)).auroc == 0.5


def test_halves_doubles_and_strides_are_taken() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, (3, 8, 6)).astype(np.uint8)
    score = rng.normal(size=target.shape)
    expected = compute(score.astype(np.float32), target)
    assert expected.images == 3
    assert compute(score, target) == expected  # type: ignore[arg-type]
    turned = compute(score.astype(np.float32)[:, ::-1], target[:, ::-1])
    assert turned == expected
    half = score.astype(np.float16)
    assert compute(half, target) == compute(half.astype(np.float32), target)  # type: ignore[arg-type]


def test_the_arrays_given_stay_as_they_are() -> None:
    score, target = np.array([3, 1, 2], np.float32), np.zeros(3, np.uint8)
    target[1] = 1
    for metrics in (AnomalyMetrics(), PerImageMetrics()):
        metrics.update(score, target)
        metrics.update(score, np.zeros(3, np.uint8))
        metrics.compute()
        assert score.tolist() == [3, 1, 2]


def test_nan_is_refused_where_it_counts_and_nothing_is_added() -> None:
    metrics = AnomalyMetrics()
    with pytest.raises(MetricError, match='1 of 2 scores are NaN'):
        metrics.update(np.array([np.nan, 1], np.float32), np.array([0, 1], np.uint8))
    assert (metrics.pixels, metrics.images) == (0, 0)
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
@pytest.mark.parametrize('kind', [AnomalyMetrics, PerImageMetrics])
def test_wrong_input_is_named(kind: type, score: Scores, target: Target, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        kind().update(score, target)


def test_the_limit_on_pixels_holds() -> None:
    metrics = AnomalyMetrics(max_pixels=5)
    metrics.update(np.zeros(4, np.float32), np.array([0, 1, 0, 255], np.uint8))
    with pytest.raises(MetricError, match='limit is 5'):
        metrics.update(np.zeros(4, np.float32), np.zeros(4, np.uint8))
    assert metrics.compute().pixels == 3
    with pytest.raises(MetricError, match='limit is 5'):
        metrics.merge(metrics)


def test_a_folder_that_takes_nothing_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    metrics = AnomalyMetrics(memory=16 * 100, folder=tmp_path / 'missing')
    score = np.arange(250, dtype=np.float32)
    target = np.zeros(250, np.uint8)
    target[::10] = 1
    metrics.update(score, target)
    with pytest.raises(MetricError, match='missing.*TMPDIR'):
        metrics.update(score, target)
    assert (metrics.pixels, metrics.images) == (250, 1)
    assert metrics.compute().auroc == pytest.approx(roc_auc_score(target, score))


def test_temporary_files_have_no_name(tmp_path: Path) -> None:
    metrics = AnomalyMetrics(memory=16 * 100, folder=tmp_path)
    score = np.arange(5000, dtype=np.float32)
    fill(metrics, score, (score % 3 == 0).astype(np.uint8), 10).compute()
    assert list(tmp_path.iterdir()) == []


@given(sets(3000), st.booleans())
@settings(max_examples=10, deadline=None)
def test_saved_pickled_and_loaded_scores_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Scores, Target], on_disk: bool
) -> None:
    options = {'memory': 16 * 300} if on_disk else {}
    folder = tmp_path_factory.mktemp('state') / 'a' / 'b'
    metrics = fill(AnomalyMetrics(**options), *case, 5)
    metrics.save(folder)
    loaded = AnomalyMetrics.load(folder, block=1024)
    for other in (loaded, pickle.loads(pickle.dumps(metrics))):
        assert other.compute() == metrics.compute()
    loaded.merge(metrics)
    loaded.save(folder.with_name('c'))
    assert AnomalyMetrics.load(folder.with_name('c')).pixels == 2 * metrics.pixels
    assert sorted(path.name for path in folder.parent.iterdir()) == ['b', 'c']


def _worker(seed: int, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    metrics = AnomalyMetrics(memory=16 * 100)
    metrics.update(rng.normal(size=500).astype(np.float32), rng.integers(0, 2, 500))
    metrics.save(folder / str(seed))


def test_processes_save_and_one_merges(tmp_path: Path) -> None:
    context = multiprocessing.get_context('fork')
    workers = [context.Process(target=_worker, args=(seed, tmp_path)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    merged, alone = AnomalyMetrics(), AnomalyMetrics()
    for seed in range(3):
        merged.merge(AnomalyMetrics.load(tmp_path / str(seed)))
        rng = np.random.default_rng(seed)
        alone.update(rng.normal(size=500).astype(np.float32), rng.integers(0, 2, 500))
    assert merged.compute() == alone.compute()


def test_damaged_states_are_named(tmp_path: Path) -> None:
    metrics = AnomalyMetrics()
    metrics.update(np.arange(4, dtype=np.float32), np.array([0, 1, 0, 1], np.uint8))
    metrics.save(tmp_path / 'a')
    with pytest.raises(MetricError, match='exists already'):
        metrics.save(tmp_path / 'a')
    with pytest.raises(MetricError, match='does not hold pooled scores'):
        AnomalyMetrics.load(tmp_path)
    loaded = AnomalyMetrics.load(tmp_path / 'a')
    scores = tmp_path / 'a' / 'scores.npy'
    os.truncate(scores, scores.stat().st_size - 8)
    with pytest.raises(MetricError, match='cut short'):
        loaded.compute()
    with pytest.raises(MetricError, match='does not hold pooled scores'):
        AnomalyMetrics.load(tmp_path / 'a')
    (tmp_path / 'a' / 'state.json').write_text('{"format": 1, "images": 1}', 'utf-8')
    with pytest.raises(MetricError, match='does not hold pooled scores'):
        AnomalyMetrics.load(tmp_path / 'a')


def test_more_may_come_after_computing() -> None:
    rng = np.random.default_rng(3)
    score, target = rng.normal(size=900).astype(np.float32), rng.integers(0, 2, 900)
    metrics = AnomalyMetrics(memory=16 * 200)
    for places in np.array_split(np.arange(900), 7):
        metrics.update(score[places], target[places])
        metrics.compute()
    assert replace(metrics.compute(), images=1) == compute(score, target)


def test_memory_is_flat() -> None:
    peaks = []
    for images in (40, 160):
        rng = np.random.default_rng(0)
        tracemalloc.start()
        metrics = AnomalyMetrics(memory=1 << 20, block=1 << 15)
        for _ in range(images):
            target = (rng.random((100, 200)) < 0.05).astype(np.uint8)
            metrics.update(rng.standard_normal(target.shape, np.float32) + target, target)
        assert metrics.compute().pixels == 20000 * images
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 1 << 20 < peaks[0] < 8 << 20
    assert peaks[1] < peaks[0] + (1 << 20)
