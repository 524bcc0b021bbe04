# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Overlays against pixels worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.render import RenderError, colorize, heat, overlay
from anomaly_seg_ros.render.overlay import MASK_COLOUR
from anomaly_seg_ros.render.palette import heat_table

TWO = ClassSet(('ground', 'thing'), ((200, 100, 0), (0, 50, 250)))


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def test_colorize_takes_the_palette_and_leaves_ignored_pixels_black():
    labels = np.array([[0, 1, 2, 255]], np.uint8)
    expected = [[(200, 100, 0), (0, 50, 250), (0, 0, 0), (0, 0, 0)]]
    np.testing.assert_array_equal(colorize(labels, TWO), expected)
    every = np.arange(19, dtype=np.uint8)[None]
    np.testing.assert_array_equal(colorize(every)[0], CITYSCAPES.palette)


def test_class_colours_are_blended_by_alpha():
    image = np.full((1, 3, 3), (40, 80, 120), np.uint8)
    labels = np.array([[0, 1, 255]], np.uint8)
    result = overlay(image, labels, classes=TWO, alpha=0.25)
    # 0.75 * image + 0.25 * colour; the unlabelled pixel stays.
    np.testing.assert_array_equal(result[0], [(80, 85, 90), (30, 72, 152), (40, 80, 120)])


def test_alpha_zero_shows_the_image_and_one_the_colours(image):
    labels = np.random.default_rng(1).integers(0, 2, image.shape[:2], np.uint8)
    score = np.random.default_rng(2).random(image.shape[:2], np.float32)
    nothing = overlay(image, labels, score, classes=TWO, alpha=0)
    np.testing.assert_array_equal(nothing, image)
    assert nothing is not image
    full = overlay(image, labels, classes=TWO, alpha=1)
    np.testing.assert_array_equal(full, colorize(labels, TWO))


def test_low_scores_are_transparent_and_high_scores_hot():
    image = np.full((1, 4, 3), 60, np.uint8)
    score = np.array([[0.0, 0.3, 1.0, 7.0]], np.float32)
    result = overlay(image, None, score, alpha=1, score_range=(0, 1))
    np.testing.assert_array_equal(result[0, :2], image[0, :2])
    hottest = heat_table()[0, 255]
    np.testing.assert_array_equal(result[0, 2:], [hottest, hottest])
    half = overlay(image, None, score, alpha=0.5, score_range=(0, 1))[0, 2]
    assert np.abs(half - (30 + hottest / 2)).max() <= 1


def test_content_chooses_what_is_shown(image):
    labels = np.ones(image.shape[:2], np.uint8)
    score = np.linspace(0, 1, labels.size, dtype=np.float32).reshape(labels.shape)
    only_labels = overlay(image, labels, score, classes=TWO, content='labels')
    only_score = overlay(image, labels, score, classes=TWO, content='score')
    np.testing.assert_array_equal(only_labels, overlay(image, labels, classes=TWO))
    np.testing.assert_array_equal(only_score, overlay(image, None, score))
    both = overlay(image, labels, score, classes=TWO)
    np.testing.assert_array_equal(both[0, :8], only_labels[0, :8])
    assert (both != only_labels).any()


def test_content_mask_leaves_all_but_the_mask(image):
    labels = np.ones(image.shape[:2], np.uint8)
    score = np.ones(image.shape[:2], np.float32)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[4:9, 4:9] = 255
    result = overlay(image, labels, score, mask, classes=TWO, content='mask')
    np.testing.assert_array_equal(result, overlay(image, mask=mask))


def test_the_mask_gets_an_outline_and_a_faint_fill():
    image = np.full((12, 12, 3), 100, np.uint8)
    mask = np.zeros((12, 12), np.uint8)
    mask[3:9, 3:9] = 255
    result = overlay(image, mask=mask)
    outline = (result == MASK_COLOUR).all(2)
    # One pixel inside and one outside of the square's edge.
    assert outline[2, 2:10].all()
    assert outline[3, 3:9].all()
    assert not outline[4:8, 4:8].any()
    assert not outline[1].any()
    expected = np.rint(0.75 * 100 + 0.25 * np.array(MASK_COLOUR))
    assert np.abs(result[5, 5].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(result[0], image[0])
    np.testing.assert_array_equal(image, 100)
    np.testing.assert_array_equal(overlay(image, mask=mask > 0), result)


def test_masks_at_the_border_and_empty_masks_draw_inside_the_image(image):
    empty = overlay(image, mask=np.zeros(image.shape[:2], np.uint8))
    np.testing.assert_array_equal(empty, image)
    corner = np.zeros(image.shape[:2], np.uint8)
    corner[0, 0] = corner[-1, -1] = 1
    result = overlay(image, mask=corner)
    assert tuple(result[0, 0]) == MASK_COLOUR
    assert tuple(result[-1, -1]) == MASK_COLOUR
    full = overlay(image, mask=np.full(image.shape[:2], 255, np.uint8))
    assert full.shape == image.shape


@settings(max_examples=60, deadline=None)
@given(
    score=hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(width=16, allow_nan=True, allow_infinity=True),
    ),
    alpha=st.floats(0, 1),
)
def test_no_score_breaks_the_overlay(score, alpha):
    image = np.full((*score.shape, 3), 77, np.uint8)
    result = overlay(image, None, score, alpha=alpha)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    ranged = overlay(image, None, score, alpha=alpha, score_range=(-1, 1))
    # What is not a number, or lowest, is ordinary: the image shows.
    cold = np.isnan(score) | (score <= -1)
    np.testing.assert_array_equal(ranged[cold], image[cold])


def test_heat_is_ordered_in_lightness_and_follows_the_range():
    ramp = np.linspace(-2, 2, 65, dtype=np.float32)[None]
    light = heat(ramp)[0].astype(float) @ (0.299, 0.587, 0.114)
    assert (np.diff(light) > -1).all()
    assert light[-1] > light[0] + 200
    cold, hot = heat_table()[0, 0], heat_table()[0, 255]
    special = np.array([[np.nan, -np.inf, np.inf]], np.float32)
    np.testing.assert_array_equal(heat(special, (0, 1))[0], [cold, cold, hot])
    constant = heat(np.full((2, 2), 3.0, np.float32))
    np.testing.assert_array_equal(constant, np.broadcast_to(cold, (2, 2, 3)))
    np.testing.assert_array_equal(heat(np.full((1, 1), np.nan, np.float32))[0, 0], cold)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image': np.zeros((4, 4), np.uint8)}, 'as the image, expected \\(H, W, 3\\) uint8'),
        ({'image': np.zeros((4, 4, 3), np.float32)}, 'type float32 as the image'),
        ({'image': np.zeros((0, 4, 3), np.uint8)}, 'as the image'),
        ({'image': None}, 'received NoneType None as the image'),
        ({'labels': np.zeros((4, 5), np.uint8)}, 'the labels of 5x4 pixels for an image of 4x4'),
        ({'labels': np.zeros((4, 4), np.float32)}, 'float32 as the labels, expected \\(H, W\\)'),
        ({'labels': np.zeros((4, 4), np.uint16)}, 'labels of type uint16, expected uint8'),
        ({'score': np.zeros((3, 4), np.float32)}, 'the score of 4x3 pixels'),
        ({'score': np.zeros((4, 4), np.uint8)}, 'expected \\(H, W\\) float'),
        ({'mask': np.zeros((4, 4, 1), np.uint8)}, 'as the mask'),
        ({'alpha': 1.5}, 'alpha 1.5, expected a number from 0 to 1'),
        ({'alpha': float('nan')}, 'alpha nan'),
        ({'content': 'all'}, "content 'all', expected one of labels, score, both, mask"),
        ({'score_range': (1, 1)}, 'score range \\(1, 1\\), expected \\(low, high\\)'),
        ({'score_range': 3}, 'score range 3'),
    ],
)
def test_bad_input_is_named_in_one_sentence(change, message):
    arguments = {
        'image': np.zeros((4, 4, 3), np.uint8), 'score': np.zeros((4, 4), np.float32), **change
    }  # fmt: skip
    with pytest.raises(RenderError, match=message) as caught:
        overlay(arguments.pop('image'), **arguments)
    assert isinstance(caught.value, AnomalySegError)
    assert '\n' not in str(caught.value)
