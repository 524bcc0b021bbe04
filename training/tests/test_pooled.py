# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of scores on disk equal those of scores in memory; a run continues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_seg_ros.metrics import AnomalyMetrics, MetricError
from anomaly_seg_training.pooled import PooledScores


def images(seed: int, count: int = 4) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Scores with ties and without, and targets with ignored pixels."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        target = rng.choice(np.array([0, 1, 255], np.uint8), (9, 14), p=(0.6, 0.2, 0.2))
        fine = (rng.normal(size=target.shape) + target % 2).astype(np.float32)
        found.append(({'fine': fine, 'coarse': fine.round()}, target))
    return found


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_equals_pooling_in_memory(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
) -> None:
    pooled = PooledScores(tmp_path_factory.mktemp('pooled') / 'set', ('fine', 'coarse'))
    memory = {name: AnomalyMetrics() for name in pooled.outputs}
    for number, (scores, target) in enumerate(images(seed, count)):
        pooled.add(str(number), scores, target)
        for name, metrics in memory.items():
            metrics.update(scores[name], target)
    for name, metrics in memory.items():
        assert pooled.result(name) == metrics.compute()


def test_equals_scikit_learn(tmp_path: Path) -> None:
    pooled = PooledScores(tmp_path, ('coarse', 'fine'))
    cases = images(3)
    for number, (scores, target) in enumerate(cases):
        pooled.add(f'image {number}', scores, target)
    truth = np.concatenate([t[t != 255] for _, t in cases])
    for name in pooled.outputs:
        values = np.concatenate([s[name][t != 255] for s, t in cases])
        result = pooled.result(name)
        assert result.auroc == pytest.approx(roc_auc_score(truth, values), abs=1e-12)
        assert result.ap == pytest.approx(average_precision_score(truth, values), abs=1e-12)
        assert (result.pixels, result.anomalous_pixels) == (truth.size, truth.sum())


def test_another_process_continues(tmp_path: Path) -> None:
    cases = images(5)
    whole = PooledScores(tmp_path / 'whole', ('fine', 'coarse'))
    for number, (scores, target) in enumerate(cases):
        whole.add(str(number), scores, target)
        # A fresh object is what a restarted process has.
        part = PooledScores(tmp_path / 'part', ('fine', 'coarse'))
        assert part.names() == [str(n) for n in range(number)]
        part.add(str(number), scores, target)
    assert part.result('coarse') == whole.result('coarse')
    part.remove()
    assert not (tmp_path / 'part').exists()


def test_an_image_cut_short_is_not_done(tmp_path: Path) -> None:
    pooled = PooledScores(tmp_path, ('fine', 'coarse'))
    scores, target = images(1, 1)[0]
    bad = {**scores, 'coarse': np.where(target == 0, np.nan, scores['coarse'])}
    with pytest.raises(MetricError, match='7: coarse is NaN'):
        pooled.add('7', bad, target)
    assert pooled.names() == []
    pooled.add('7', scores, target)
    assert pooled.names() == ['7']


def test_images_without_anomaly_or_without_normal_pixels(tmp_path: Path) -> None:
    pooled = PooledScores(tmp_path, ('s',))
    assert pooled.result('s').pixels == 0
    pooled.add('a', {'s': np.zeros((2, 2), np.float32)}, np.zeros((2, 2), np.uint8))
    assert pooled.result('s').ap is None
    pooled.add('b', {'s': np.ones((2, 2), np.float32)}, np.ones((2, 2), np.uint8))
    result = pooled.result('s')
    assert (result.auroc, result.ap, result.fpr95, result.pixels) == (1, 1, 0, 8)


def test_refuses_other_shapes_and_folders_of_other_outputs(tmp_path: Path) -> None:
    pooled = PooledScores(tmp_path, ('s',))
    target = np.zeros((2, 3), np.uint8)
    with pytest.raises(MetricError, match=r's has shape \(3, 2\)'):
        pooled.add('a', {'s': np.zeros((3, 2), np.float32)}, target)
    pooled.add('a', {'s': np.zeros((2, 3), np.float32)}, target)
    with pytest.raises(MetricError, match='holds 1 scores, expected 2'):
        PooledScores(tmp_path, ('s', 't')).result('t')
