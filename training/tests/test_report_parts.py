# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of the report: which images it shows, their planes, the thresholds of its slider."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from anomaly_seg_ros.metrics import AnomalyMetrics
from anomaly_seg_training.report.gallery import GalleryConfig, chosen_images, chosen_rows
from anomaly_seg_training.report.levels import MOST, codes, measured_rates, stops, stored_rates
from anomaly_seg_training.report.planes import decode_plane, encode_plane


def test_which_images_are_worst_and_best() -> None:
    values = {'a': 0.5, 'b': None, 'c': 0.1, 'd': 0.9, 'e': 0.3, 'f': 0.7}
    row = {'per_image': [{'image': k, 'ap': v, 'fpr95': v} for k, v in values.items()]}
    assert chosen_images(row, GalleryConfig(2)) == [
        ('c', 'worst', 1), ('e', 'worst', 2), ('d', 'best', 1), ('f', 'best', 2)
    ]  # fmt: skip
    assert [name for name, *_ in chosen_images(row, GalleryConfig(2, 'fpr95'))] == list('dfce')
    assert [name for name, *_ in chosen_images(row, GalleryConfig(9))] == list('ceadf')


def test_one_row_of_each_set_and_model_has_pictures() -> None:
    common = {'model_hash': 'h', 'set_version': 'v', 'size': 'native', 'per_image': [{}]}
    rows = [
        {**common, 'bundle': b, 'set': s, 'ap': ap, 'output': o}
        for b, s, ap, o in (
            ('m', 'x', 0.1, 'energy'), ('m', 'x', 0.3, 'entropy'), ('m', 'y', None, 'energy'),
            ('n', 'x', 0.2, 'energy'),
        )
    ]  # fmt: skip
    assert chosen_rows(rows) == [1, 3]
    assert chosen_rows(rows, 'energy') == [0, 3]
    assert chosen_rows([{**rows[0], 'per_image': None}]) == []


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_planes_come_back(plane: np.ndarray) -> None:
    text = encode_plane(plane)
    assert np.array_equal(decode_plane(text, plane.shape), plane)
    # Slowly, as a reader without NumPy would do it.
    residuals = zlib.decompress(base64.b64decode(text))
    height, width = plane.shape
    found: dict[tuple[int, int], int] = {}
    for y in range(height):
        for x in range(width):
            left, above, corner = (
                found.get(place, 0) for place in ((y, x - 1), (y - 1, x), (y - 1, x - 1))
            )
            found[y, x] = (residuals[y * width + x] + left + above - corner) % 256
    assert found == dict(np.ndenumerate(plane))


@given(
    arrays.arrays(np.float32, (4, 5), elements=st.floats(-4, 4, width=16)),
    st.lists(st.floats(-4, 4, width=16), min_size=1, max_size=20, unique=True),
)
def test_masks_are_exact_at_each_threshold(score: np.ndarray, thresholds: list[float]) -> None:
    thresholds = sorted(thresholds)
    found = codes(score, thresholds)
    for place, threshold in enumerate(thresholds):
        assert np.array_equal(found > place, score > np.float32(threshold))


def _samples() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(4)
    for size in (40, 4000):
        target = (random.random(size) < 0.2).astype(np.uint8)
        score = (random.normal(size=size) + target).astype(np.float32)
        yield score.round(1), target  # with ties
        yield score, target


@pytest.mark.parametrize('points', [10, 300, 9000])
def test_stops_know_the_rates_of_the_set(points: int) -> None:
    for score, target in _samples():
        metrics = AnomalyMetrics()
        metrics.update(score, target)
        curves = metrics.curves(points)
        assert curves is not None
        rates = stored_rates(curves.roc.as_dict())
        found = stops(rates, [0.25, float('inf')])
        thresholds = [stop.threshold for stop in found]
        assert thresholds == sorted(set(thresholds))
        assert len(found) <= MOST
        assert 0.25 in thresholds
        for stop in found:
            flagged = score > np.float32(stop.threshold)
            truth = flagged[target == 1].mean(), flagged[target == 0].mean()
            if stop.exact:
                assert (stop.tpr, stop.fpr) == pytest.approx(truth, abs=1e-12)
            elif stop.tpr is not None and points > 200:
                assert (stop.tpr, stop.fpr) == pytest.approx(truth, abs=0.05)
        # The lowest stop flags everything.
        assert (score > np.float32(thresholds[0])).all()


def test_stops_reach_low_false_positive_rates() -> None:
    random = np.random.default_rng(0)
    target = (np.arange(400_000) % 100 == 0).astype(np.uint8)
    score = (random.normal(size=target.size) + 3 * target).astype(np.float32)
    rates = measured_rates([(score, target)])
    assert rates is not None
    fpr = np.array([(score[target == 0] > stop.threshold).mean() for stop in stops(rates)])
    for low, high in ((0.3, 1), (0.03, 0.3), (0.003, 0.03), (0.0003, 0.003), (0, 0.0003)):
        assert np.count_nonzero((fpr >= low) & (fpr <= high)) >= 8
