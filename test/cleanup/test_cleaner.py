# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rules over frames: persistence by hand and against loops, what makes the memory forget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.slow_cleanup import slow_clean, slow_persistent

from anomaly_seg_ros.cleanup import CleanupConfig, CleanupError, MaskCleaner
from anomaly_seg_ros.mask import anomaly_mask

SECOND = 10**9


def spot(column: int, shape: tuple[int, int] = (5, 60)) -> np.ndarray:
    """A map with one pixel above 0.5."""
    score = np.zeros(shape, np.float32)
    score[2, column] = 1
    return score


def seen(cleaner: MaskCleaner, columns: Sequence[int | None]) -> list[bool]:
    """Tell for each frame whether anything is left of its spot; None is a frame without one."""
    empty = np.zeros((5, 60), np.float32)
    frames = (empty if column is None else spot(column) for column in columns)
    return [bool(cleaner.clean(frame, 0.5).any()) for frame in frames]


def test_off_is_the_plain_mask() -> None:
    score = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    assert not CleanupConfig().active
    np.testing.assert_array_equal(MaskCleaner().clean(score, 0.3), anomaly_mask(score, 0.3))


@pytest.mark.parametrize(
    ('persistence', 'frames', 'expected'),
    [
        ((1, 1), [9, None, 9], [1, 0, 1]),
        ((1, 3), [9, None, 9], [1, 0, 1]),
        ((2, 2), [9, 9, None, 9, 9], [0, 1, 0, 0, 1]),
        ((2, 3), [9, None, 9, None, None, 9], [0, 0, 1, 0, 0, 0]),
        ((3, 3), [9, 9, 9, 9, None, 9], [0, 0, 1, 1, 0, 0]),
        ((3, 4), [9, 9, None, 9, 9], [0, 0, 0, 1, 1]),
    ],
)
def test_persistence_by_hand(
    persistence: tuple[int, int], frames: list[int | None], expected: list[int]
) -> None:
    cleaner = MaskCleaner(CleanupConfig(persistence=persistence))
    assert seen(cleaner, frames) == [bool(e) for e in expected]


def test_reach() -> None:
    near, far = [10, 13, 16], [10, 14, 18]
    config = CleanupConfig(persistence=(2, 2), reach=3)
    assert seen(MaskCleaner(config), near) == [False, True, True]
    assert seen(MaskCleaner(config), far) == [False, False, False]
    assert seen(MaskCleaner(replace(config, reach=0)), [10, 10, 11]) == [False, True, False]


def test_confirmation_rests_on_the_frames_before_persistence() -> None:
    # The first frame's mask is empty, yet its region confirms the second frame's.
    cleaner = MaskCleaner(CleanupConfig(persistence=(2, 2)))
    assert seen(cleaner, [9, 9]) == [False, True]
    # A region that is too small confirms nothing.
    cleaner = MaskCleaner(CleanupConfig(persistence=(2, 2), min_area=2))
    assert seen(cleaner, [9, 9]) == [False, False]


def test_only_confirmed_regions_stay() -> None:
    cleaner = MaskCleaner(CleanupConfig(persistence=(2, 2)))
    cleaner.clean(spot(9), 0.5)
    mask = cleaner.clean(np.maximum(spot(9), spot(50)), 0.5)
    assert np.argwhere(mask).tolist() == [[2, 9]]


@pytest.mark.parametrize(
    ('stamps', 'expected'),
    [
        ((0, SECOND // 10), True),
        ((0, 0), True),
        ((0, SECOND), True),
        ((0, SECOND + 1), False),
        ((5 * SECOND, 5 * SECOND - 1), False),
        ((None, 7), True),
        ((7, None), True),
    ],
)
def test_gaps_and_time_that_goes_back(
    stamps: tuple[int | None, int | None], expected: bool
) -> None:
    cleaner = MaskCleaner(CleanupConfig(persistence=(2, 2), max_gap=1.0))
    cleaner.clean(spot(9), 0.5, stamp=stamps[0])
    assert cleaner.clean(spot(9), 0.5, stamp=stamps[1]).any() == expected


def test_size_reset_and_rules_while_running() -> None:
    config = CleanupConfig(persistence=(2, 2))
    cleaner = MaskCleaner(config)
    assert seen(cleaner, [9, 9]) == [False, True]
    assert not cleaner.clean(spot(9, (6, 60)), 0.5).any()
    assert seen(cleaner, [9, 9]) == [False, True]
    cleaner.reset()
    assert seen(cleaner, [9]) == [False]
    cleaner.config = replace(config, persistence=(2, 3))
    assert cleaner.config.persistence == (2, 3)
    assert seen(cleaner, [None, 9]) == [False, True]
    cleaner.config = replace(config, reach=1)
    assert seen(cleaner, [9, 9]) == [False, True]


def test_memory_is_bounded() -> None:
    cleaner = MaskCleaner(CleanupConfig(persistence=(2, 4)))
    seen(cleaner, [9] * 50)
    assert len(cleaner._history) == 4
    cleaner.config = CleanupConfig(persistence=(2, 2))
    seen(cleaner, [9])
    assert len(cleaner._history) == 2


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(1, 2), (2, 2), (2, 3), (3, 5)]),
    st.integers(0, 3),
    st.integers(0, 4),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_loops(
    seed: int, persistence: tuple[int, int], reach: int, min_area: int
) -> None:
    rng = np.random.default_rng(seed)
    config = CleanupConfig(0.5, min_area, persistence, reach)
    cleaner, masks = MaskCleaner(config), []
    for _ in range(6):
        score = rng.random((9, 13)).astype(np.float32)
        masks.append(slow_clean(score, 0.9, 0.45, min_area))
        result = cleaner.clean(score, 0.9, score_range=(0.0, 1.0))
        np.testing.assert_array_equal(result, slow_persistent(masks, *persistence, reach))
        # Persistence and area only remove: no more than hysteresis alone.
        assert np.all(result <= slow_clean(score, 0.9, 0.45, 0))


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_higher_threshold_never_adds_a_pixel(seed: int, one: float, other: float) -> None:
    rng = np.random.default_rng(seed)
    config = CleanupConfig(0.4, 3, (2, 3), 1)
    loose, strict = MaskCleaner(config), MaskCleaner(config)
    for _ in range(4):
        score = rng.random((9, 13)).astype(np.float32)
        more = loose.clean(score, min(one, other), score_range=(0.2, 1.0))
        assert np.all(strict.clean(score, max(one, other), score_range=(0.2, 1.0)) <= more)


def test_low_threshold() -> None:
    config = CleanupConfig(hysteresis=0.25)
    assert config.low_threshold(4.0, (0.0, 5.0)) == 3.0
    assert config.low_threshold(-4.0, (-8.0, 0.0)) == -5.0
    # Never above the threshold, also where that lies below the range.
    assert config.low_threshold(-9.0, (-8.0, 0.0)) == -9.0
    assert CleanupConfig().low_threshold(4.0, None) == 4.0
    with pytest.raises(CleanupError, match='run anomaly-seg calibrate'):
        config.low_threshold(4.0, None)


@pytest.mark.parametrize(
    ('text', 'expected'), [('2/3', (2, 3)), (' 1 / 1 ', (1, 1)), ('', (1, 1)), ('5/5', (5, 5))]
)
def test_persistence_from_text(text: str, expected: tuple[int, int]) -> None:
    assert CleanupConfig.parse_persistence(text) == expected


@pytest.mark.parametrize('text', ['3/2', '0/1', '2', 'a/b', '1/101', '-1/2', '2/3/4'])
def test_persistence_from_wrong_text(text: str) -> None:
    with pytest.raises(CleanupError, match='for example 2/3'):
        CleanupConfig.parse_persistence(text)


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'hysteresis': 1.0}, 'hysteresis 1.0, expected a share'),
        ({'hysteresis': -0.1}, 'hysteresis'),
        ({'hysteresis': float('nan')}, 'hysteresis nan'),
        ({'min_area': -1}, 'min_area -1, expected a whole number of pixels'),
        ({'min_area': 1.5}, 'min_area 1.5'),
        ({'min_area': True}, 'min_area True'),
        ({'persistence': (3, 2)}, 'persistence'),
        ({'persistence': (0, 2)}, 'persistence'),
        ({'persistence': (1, 101)}, 'persistence'),
        ({'persistence': 2}, 'persistence 2'),
        ({'reach': 513}, 'reach 513'),
        ({'max_gap': 0}, 'max_gap 0, expected seconds above 0'),
    ],
)
def test_wrong_rules(fields: dict, words: str) -> None:
    with pytest.raises(CleanupError, match=words):
        CleanupConfig(**fields)
