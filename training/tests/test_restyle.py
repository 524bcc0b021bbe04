# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours taken on: the laws that the mapping obeys."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anomaly_seg_training.restyle import Style, restyle


def _image(seed: int, mean: float, spread: float) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(mean, spread, (48, 64, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def test_the_result_has_the_targets_style() -> None:
    image, target = _image(0, 90, 15), Style.of(_image(1, 150, 22))
    result = Style.of(restyle(image, Style.of(image), target))
    np.testing.assert_allclose(result.mean, target.mean, atol=1.5)
    np.testing.assert_allclose(result.std, target.std, rtol=0.15)


@given(st.integers(0, 100), st.floats(40, 200), st.floats(2, 40))
def test_its_own_style_changes_nothing(seed: int, mean: float, spread: float) -> None:
    image = _image(seed, mean, spread)
    own = Style.of(image)
    difference = np.abs(restyle(image, own, own).astype(int) - image)
    assert difference.max() <= 1


def test_a_flat_image_is_not_stretched_to_noise() -> None:
    image = np.full((16, 16, 3), 80, np.uint8)
    image[0, 0] = 84
    result = restyle(image, Style.of(image), Style.of(_image(0, 128, 60)))
    assert len(np.unique(result[4:].reshape(-1, 3), axis=0)) == 1
    assert int(np.abs(result[0, 0].astype(int) - result[8, 8]).max()) <= 2 * 4 + 2
