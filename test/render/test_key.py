# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The key in an overlay: what it explains is what is shown, and it stays at the edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.render import RenderError, overlay
from anomaly_seg_ros.render.key import SMALLEST, Key, draw_key
from anomaly_seg_ros.render.palette import MASK_COLOUR, heat_table

WIDTH, HEIGHT = 640, 360


@pytest.fixture
def parts() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[-40:-20, :50] = 255
    return {
        'image': np.full((HEIGHT, WIDTH, 3), 100, np.uint8),
        'labels': rng.integers(0, 19, (HEIGHT, WIDTH), np.uint8),
        'score': rng.random((HEIGHT, WIDTH), np.float32),
        'mask': mask,
    }


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Count the pixels of a colour that is seen through 20 % of grey."""
    seen = 0.8 * np.array(colour) + 0.2 * 100
    return int((np.abs(picture.astype(float) - seen).max(2) <= 2).sum())


def keyed(parts: dict[str, np.ndarray], content: str, **options: object) -> np.ndarray:
    """Return what a key changes in the upper part of an overlay over a grey image."""
    blank = {'labels': np.full_like(parts['labels'], 255), 'score': 0 * parts['score']}
    arguments = {**parts, **blank, 'content': content, 'score_range': (0.0, 1.0), **options}
    image = arguments.pop('image')
    return overlay(image, **arguments)


@pytest.mark.parametrize(
    ('content', 'classes', 'heat'),
    [
        ('both', True, True),
        ('labels', True, False),
        ('score', False, True),
        ('mask', False, False),
    ],
)
def test_the_key_explains_what_is_shown(
    parts: dict[str, np.ndarray], content: str, classes: bool, heat: bool
) -> None:
    bare = keyed(parts, content)
    full = keyed(parts, content, title='entropy', threshold=0.5)
    assert full.shape == parts['image'].shape
    changed = np.flatnonzero((bare != full).any((1, 2)))
    assert changed.size
    assert changed.max() < HEIGHT // 4
    top = full[: changed.max() + 1]
    found = [near(top, colour) > 20 for colour in CITYSCAPES.palette]
    assert all(found) is classes
    assert (near(top, tuple(heat_table()[0, 170].tolist())) > 0) is heat
    # The tick of the threshold, or the mask's own legend.
    assert near(top, MASK_COLOUR) > 5


def test_no_title_no_key_and_no_mask_no_threshold(parts: dict[str, np.ndarray]) -> None:
    bare = keyed(parts, 'score', mask=None)
    np.testing.assert_array_equal(bare, parts['image'])
    without = keyed(parts, 'score', mask=None, title='entropy', threshold=0.5)
    assert (without != bare).any()
    assert near(without[: HEIGHT // 4], MASK_COLOUR) == 0
    np.testing.assert_array_equal(keyed(parts, 'mask', mask=None, title='entropy'), bare)


def test_without_a_range_the_key_tells_that_of_the_map(parts: dict[str, np.ndarray]) -> None:
    arguments = {'score': parts['score'], 'content': 'score', 'title': 'entropy'}
    own = overlay(parts['image'], **arguments)
    limits = (float(parts['score'].min()), float(parts['score'].max()))
    np.testing.assert_array_equal(own, overlay(parts['image'], score_range=limits, **arguments))
    other = overlay(parts['image'], score_range=(0.0, 2.0), **arguments)
    assert (own[: HEIGHT // 10, :150] != other[: HEIGHT // 10, :150]).any()


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 400),
    classes=st.booleans(),
    span=st.none() | st.floats(1e-12, 1e12),
    threshold=st.none() | st.floats(-1e12, 1e12),
    title=st.text(max_size=60),
)
def test_keys_fit_any_image(
    width: int, height: int, classes: bool, span: float | None, threshold: float | None, title: str
) -> None:
    image = np.full((height, width, 3), 100, np.uint8)
    limits = None if span is None else (0.0, span)
    draw_key(image, Key(title, CITYSCAPES if classes else None, limits, threshold))
    if width < SMALLEST[0] or height < SMALLEST[1]:
        assert (image == 100).all()
    # However much it explains, most of the image stays free.
    assert (image[height // 2 :] == 100).all()


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(RenderError, match='as the image'):
        draw_key(np.zeros((400, 400), np.uint8), Key('entropy'))
