# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masks of a live detector, cleaned as its parameters say, changed while it works."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from support.tiny_bundle import THRESHOLD, UNKNOWN_COLOUR, stripes

from anomaly_seg_ros.cleanup import clean_mask
from anomaly_seg_ros.nodes.image_conversion import to_array

pytestmark = pytest.mark.ros


def spots() -> np.ndarray:
    """A street with one large and one small unknown spot."""
    image = stripes(unknown=False)
    image[24:32, 40:60] = UNKNOWN_COLOUR
    image[24:28, 8:12] = UNKNOWN_COLOUR
    return image


def serve(live: Any, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    message = live.send(live.image(image))
    mask, score = (live.result(name, message) for name in ('anomaly_mask', 'anomaly_score'))
    return to_array(mask), to_array(score)


def test_small_regions_are_removed_live(bench: Any) -> None:
    live = bench()
    live.subscribe('anomaly_mask', 'anomaly_score')
    mask, score = serve(live, spots())
    np.testing.assert_array_equal(mask == 255, score > THRESHOLD)
    assert (mask[:, :30].any(), mask[:, 30:].any()) == (True, True)
    assert live.set('min_area', 40) == (True, '')
    mask, _ = serve(live, spots())
    assert (mask[:, :30].any(), mask[:, 30:].any()) == (False, True)
    np.testing.assert_array_equal(mask, clean_mask(score, THRESHOLD, min_area=40))
    values = {v.key: v.value for v in live.status('engine').values}
    assert (values['min area'], values['hysteresis'], values['persistence']) == ('40', '0', '1/1')


def test_hysteresis_grows_live_and_needs_a_range(bench: Any) -> None:
    live = bench()
    live.subscribe('anomaly_mask', 'anomaly_score')
    before, score = serve(live, spots())
    assert live.set('hysteresis', 0.75) == (True, '')
    after, _ = serve(live, spots())
    # The card's range begins at 0, so the low threshold is a quarter of the threshold.
    np.testing.assert_array_equal(after, clean_mask(score, THRESHOLD, THRESHOLD / 4))
    assert (after != before).any()
    # Without a threshold there is no mask to grow; with one, the range of the score is needed.
    assert live.set('score', 'energy') == (True, '')
    successful, reason = live.set('threshold', 3.0)
    assert not successful
    assert 'hysteresis needs the range of the score' in reason
    assert live.set('hysteresis', 0.0) == (True, '')
    assert live.set('threshold', 3.0) == (True, '')


def test_regions_must_persist_live(bench: Any) -> None:
    live = bench(persistence='2/3')
    live.subscribe('anomaly_mask', 'anomaly_score')
    empty, street = stripes(unknown=False), spots()
    shown = [serve(live, image)[0].any() for image in (street, street, empty, street)]
    assert shown == [False, True, False, True]
    assert live.set('persistence', '1/1') == (True, '')
    assert serve(live, empty)[0].any() is np.False_
    assert serve(live, street)[0].any()


def test_another_score_starts_a_new_memory(bench: Any) -> None:
    live = bench(persistence='2/2', threshold=THRESHOLD)
    live.subscribe('anomaly_mask', 'anomaly_score')
    assert [serve(live, spots())[0].any() for _ in range(2)] == [False, True]
    assert live.set('score', 'energy') == (True, '')
    assert [serve(live, spots())[0].any() for _ in range(2)] == [False, True]


def test_a_node_with_impossible_cleaning_does_not_configure(bench: Any) -> None:
    live = bench(wait=False, score='energy', threshold=1.0, hysteresis=0.5)
    status = live.status('life cycle', lambda s: 'hysteresis needs the range' in s.message)
    assert status.level == b'\x02'
    assert live.set('hysteresis', 0.0) == (True, '')
    assert live.change_state('configure')
