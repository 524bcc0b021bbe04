# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resizing: areas are averaged, labels picked, proportions kept."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_seg_ros.size import Size
from anomaly_seg_training.resizing import fit_image, fit_labels, resize_image, resize_labels


def test_shrinking_averages_areas() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 30, 3), np.uint8)
    blocks = image.reshape(4, 3, 6, 5, 3).astype(np.float64).mean((1, 3))
    np.testing.assert_allclose(resize_image(image, Size(6, 4)), blocks, atol=0.5 + 1e-9)


def test_enlarging_is_bilinear() -> None:
    image = np.array([[[0], [100]]], np.uint8).repeat(3, 2)
    found = resize_image(image, Size(4, 1))[0, :, 0]
    np.testing.assert_array_equal(found, [0, 25, 75, 100])


def test_labels_are_picked_and_never_mixed() -> None:
    labels = np.random.default_rng(0).choice(np.array([0, 7, 255], np.uint8), (31, 57))
    for size in (Size(20, 11), Size(80, 90)):
        found = resize_labels(labels, size)
        assert found.shape == (size.height, size.width)
        assert set(np.unique(found)) <= {0, 7, 255}


def test_no_size_changes_nothing() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    assert resize_image(image, None) is image
    assert resize_labels(image[..., 0], None).shape == (2, 3)


@pytest.mark.parametrize(
    ('shape', 'size', 'box'),
    [
        ((360, 480), Size(96, 48), (60, 300, 0, 480)),
        ((100, 400), Size(96, 48), (0, 100, 100, 300)),
        ((64, 128), Size(128, 64), (0, 64, 0, 128)),
    ],
)
def test_images_are_cut_to_the_form(
    shape: tuple[int, int], size: Size, box: tuple[int, int, int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    top, bottom, left, right = box
    part = image[top:bottom, left:right]
    np.testing.assert_array_equal(fit_image(image, size), resize_image(part, size))
    labels = image[..., 0]
    np.testing.assert_array_equal(fit_labels(labels, size), resize_labels(part[..., 0], size))
