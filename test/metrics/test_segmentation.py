# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from anomaly_seg_ros.metrics import ConfusionMatrix, MetricError


def test_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    target = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (5, 30, 20))
    prediction = rng.integers(0, 4, target.shape).astype(np.uint8)
    matrix = ConfusionMatrix(4)
    for one, truth in zip(prediction, target, strict=True):
        matrix.update(one, truth)
    valid = target != 255
    labels = list(range(4))
    expected = confusion_matrix(target[valid], prediction[valid], labels=labels)
    assert np.array_equal(matrix.counts[:, :4], expected)
    result = matrix.compute()
    iou = jaccard_score(target[valid], prediction[valid], average=None, labels=labels)
    assert result.iou == pytest.approx(iou, abs=1e-12)
    assert result.miou == pytest.approx(iou.mean(), abs=1e-12)
    assert result.accuracy == pytest.approx((target == prediction)[valid].mean())
    for label, rate in enumerate(result.false_positive_rate):
        others = valid & (target != label)
        assert rate == pytest.approx(np.mean(prediction[others] == label))


def test_a_class_without_others_has_no_false_positive_rate() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([0, 1, 1, 1], np.uint8), np.array([1, 1, 1, 1], np.uint8))
    assert matrix.compute().as_dict()['false_positive_rate'] == [0.25, None]


def test_absent_classes_are_left_out_and_wrong_ones_count_zero() -> None:
    matrix = ConfusionMatrix(4)
    matrix.update(np.array([0, 2], np.uint8), np.array([0, 0], np.uint8))
    result = matrix.compute()
    assert result.iou[0] == 0.5
    assert result.iou[2] == 0.0
    assert math.isnan(result.iou[1])
    assert result.miou == 0.25
    assert result.as_dict()['iou'] == [0.5, None, 0.0, None]


def test_a_prediction_that_is_no_class_is_wrong_but_not_ignored() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([0, 255, 7, 0], np.uint8), np.array([0, 0, 0, 255], np.uint8))
    result = matrix.compute()
    assert result.iou[0] == pytest.approx(1 / 3)
    assert result.pixels == 3


def test_merging_equals_updating() -> None:
    rng = np.random.default_rng(2)
    both, first, second = (ConfusionMatrix(3) for _ in range(3))
    for part in (first, second):
        prediction, target = rng.integers(0, 3, (2, 8, 8)).astype(np.uint8)
        part.update(prediction, target)
        both.update(prediction, target)
    first.merge(second)
    assert np.array_equal(first.counts, both.counts)
    with pytest.raises(ValueError, match='cannot add 2 classes to 3'):
        first.merge(ConfusionMatrix(2))


def test_unknown_labels_are_named_with_the_histogram() -> None:
    matrix = ConfusionMatrix(3)
    target = np.array([0, 1, 7, 7, 255], np.uint8)
    with pytest.raises(MetricError, match=r'\[7\].*0 to 2 and 255.*7: 2'):
        matrix.update(np.zeros(5, np.uint8), target)
    assert matrix.counts.sum() == 0
    assert math.isnan(matrix.compute().miou)


def test_shape_and_type_are_checked() -> None:
    matrix = ConfusionMatrix(3)
    with pytest.raises(MetricError, match='shape'):
        matrix.update(np.zeros(4, np.uint8), np.zeros(5, np.uint8))
    with pytest.raises(MetricError, match='int64'):
        matrix.update(np.zeros(4, np.int64), np.zeros(4, np.uint8))
    with pytest.raises(ValueError, match='received 0'):
        ConfusionMatrix(0)
