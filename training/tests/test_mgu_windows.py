# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rectangles that are computed instead of images: laws, and cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anomaly_seg_training.mgu.windows import GRID, Window, around, cover

Places = list[tuple[int, int]]


def _pixels(places: Places, size: tuple[int, int] = (200, 330)) -> Tensor:
    pixels = torch.zeros(size, dtype=torch.bool)
    for row, column in places:
        pixels[row, column] = True
    return pixels


def _bounds(window: Window) -> tuple[int, int, int, int]:
    return (*window.rows, *window.columns)


@given(
    st.lists(st.tuples(st.integers(0, 199), st.integers(0, 329)), max_size=12),
    st.integers(0, 70),
)
def test_each_pixel_has_one_window_with_its_surroundings(places: Places, margin: int) -> None:
    pixels = _pixels(places)
    windows = cover(pixels, margin)
    assert torch.equal(sum(w.pixels.int() for w in windows), pixels.int())
    assert sum(w.area for w in windows) <= pixels.numel()
    for window in windows:
        top, bottom, left, right = _bounds(window)
        for row, column in window.pixels.nonzero().tolist():
            assert top <= max(0, row - margin)
            assert bottom >= min(200, row + margin + 1)
            assert left <= max(0, column - margin)
            assert right >= min(330, column + margin + 1)
        assert top % GRID == left % GRID == 0
        assert bottom % GRID == 0 or bottom == 200
        assert right % GRID == 0 or right == 330


def test_groups_that_lie_apart_have_windows_of_their_own() -> None:
    windows = cover(_pixels([(5, 5), (40, 40), (199, 300)]), 8)
    assert sorted(map(_bounds, windows)) == [(0, 64, 0, 64), (160, 200, 288, 320)]
    near = next(window for window in windows if window.rows[0] == 0)
    assert near.pixels.nonzero().tolist() == [[5, 5], [40, 40]]


def test_one_window_for_groups_whose_surroundings_overlap() -> None:
    """Two of 96 x 96 beside each other share more than the space between them."""
    (window,) = cover(_pixels([(40, 50), (40, 120)]), 32)
    assert _bounds(window) == (0, 96, 0, 160)


@pytest.mark.parametrize('places', [[], [(0, 0), (199, 0), (0, 329), (199, 329), (100, 160)]])
def test_the_whole_image_where_windows_are_not_less(places: Places) -> None:
    pixels = _pixels(places)
    assert [_bounds(window) for window in cover(pixels, 64)] == [(0, 200, 0, 330)]
    assert _bounds(around(pixels, 0)) == (0, 200, 0, 330)


def test_one_rectangle_around_all() -> None:
    window = around(_pixels([(40, 50), (70, 120)]), 10)
    assert _bounds(window) == (0, 96, 32, 160)
    image = torch.from_numpy(np.arange(200 * 330).reshape(1, 200, 330))
    assert torch.equal(window.of(image), image[:, 0:96, 32:160])
    assert (window.shape, window.area) == ((96, 128), 96 * 128)
