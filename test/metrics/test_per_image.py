# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The mean of figures over images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_seg_ros.metrics import AnomalyMetrics, PerImageMetrics


def images() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(6):
        target = rng.choice(np.array([0, 1, 255], np.uint8), (12, 9), p=(0.7, 0.2, 0.1))
        target[number == 2] = 0
        if number == 2:
            target[target == 1] = 0
        if number == 4:
            target[:] = 1
        found.append((rng.normal(size=target.shape).astype(np.float32) + number, target))
    return found


def test_is_the_mean_of_images_that_hold_both_classes() -> None:
    metrics = PerImageMetrics()
    counted = []
    for score, target in images():
        metrics.update(score, target)
        valid = target != 255
        if len(np.unique(target[valid])) == 2:
            counted.append((target[valid], score[valid]))
    result = metrics.compute()
    aurocs = [roc_auc_score(t, s) for t, s in counted]
    assert result.auroc == pytest.approx(np.mean(aurocs), abs=1e-12)
    aps = [average_precision_score(t, s) for t, s in counted]
    assert result.ap == pytest.approx(np.mean(aps), abs=1e-12)
    assert (result.images, metrics.skipped, len(metrics.results)) == (4, 2, 6)
    assert result.pixels == sum(t.size for t, _ in counted)
    assert result.best_f1_threshold is None


def test_each_image_has_the_figures_of_a_set_of_one() -> None:
    metrics = PerImageMetrics()
    for number, (score, target) in enumerate(images()):
        metrics.update(score, target)
        alone = AnomalyMetrics()
        alone.update(score, target)
        assert metrics.results[number] == alone.compute()


def test_merging_and_order_change_nothing() -> None:
    cases = images()
    whole, first, second = PerImageMetrics(), PerImageMetrics(), PerImageMetrics()
    for score, target in cases:
        whole.update(score, target)
    second.update(np.stack([s for s, _ in cases[3:]]), np.stack([t for _, t in cases[3:]]))
    for score, target in cases[:3]:
        first.update(score, target)
    second.merge(first)
    assert second.compute() == whole.compute()


def test_no_image_no_figures() -> None:
    metrics = PerImageMetrics()
    assert metrics.compute().auroc is None
    metrics.update(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.uint8))
    assert metrics.compute() == PerImageMetrics().compute()
    assert metrics.skipped == 1
