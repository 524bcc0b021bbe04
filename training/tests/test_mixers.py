# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mixers: how large proxies become, where they go, what labels and masks then say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.proxy_scenes import disc, scene_of

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.proxies import (
    MIXERS,
    AnomalyMix,
    AnomalyMixConfig,
    Box,
    Mixed,
    Proxy,
    ProxyError,
    create_mixer,
    drawn_objects,
)
from anomaly_seg_training.proxies.paste import RIM, Canvas, scaled

MIXER_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ('anomaly_mix', {}),
    ('anomaly_mix', {'soft': 0.0, 'on_road': 1.0, 'scale': [0.3, 2.0], 'objects': [4, 4]}),
    ('coco_dag', {}),
    ('coco_dag', {'split': 'window', 'soft': 0.7}),
    ('maxent', {}),
    ('maxent', {'unannotated': 'ood'}),
]


@pytest.mark.parametrize('factor', [0.13, 0.5, 1.0, 2.3])
def test_scaled_objects_bring_no_background(factor: float) -> None:
    thing = scaled(disc(40), factor)
    np.testing.assert_allclose(
        thing.image.reshape(-1, 3), np.broadcast_to((250, 10, 10), (thing.mask.size, 3)), atol=4
    )
    area = np.pi * (round(81 * factor) / 2) ** 2
    assert thing.mask.sum() == pytest.approx(area, rel=0.05)
    assert not thing.mask[:RIM].any()
    assert not thing.mask[:, -RIM:].any()


def test_a_tiny_object_keeps_a_pixel_and_flips() -> None:
    assert scaled(disc(40), 0.001).mask.sum() == 1
    image = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    proxy = Proxy(image, np.ones((9, 14), np.uint8))
    inner = (slice(RIM, -RIM), slice(RIM, -RIM))
    np.testing.assert_array_equal(scaled(proxy, 1.0).image[inner], image)
    np.testing.assert_array_equal(scaled(proxy, 1.0, flip=True).image[inner], image[:, ::-1])


def test_a_hard_edge_copies_and_a_soft_one_blends() -> None:
    scene = np.full((80, 80, 3), 100, np.uint8)
    labels = np.zeros((80, 80), np.uint8)
    thing = scaled(disc(15), 1.0)
    rng = np.random.default_rng(0)
    for soft in (0.0, 0.8):
        canvas = Canvas.of(scene, labels)
        canvas.put(thing, (40, 40), soft, None, rng)
        mixed = canvas.mixed()
        assert mixed.ood.sum() == thing.mask.sum()
        changed = (mixed.image != 100).any(2)
        edge = changed & ~mixed.ood
        assert edge.any() == (soft > 0)
        np.testing.assert_array_equal(mixed.labels == IGNORE, changed | mixed.ood)
        if soft == 0:
            assert (mixed.image[mixed.ood] == (250, 10, 10)).all()
    assert (scene == 100).all()


@pytest.mark.parametrize(('name', 'options'), MIXER_OPTIONS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), radius=st.integers(3, 90))
def test_laws_of_all_mixers(name: str, options: dict[str, Any], seed: int, radius: int) -> None:
    image, labels = scene_of(seed)
    before = image.copy(), labels.copy()
    mixer = create_mixer(name, [disc(radius)], {'probability': 1.0, **options})
    mixed = mixer(image, labels, np.random.default_rng(seed))
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(labels, before[1])
    assert (mixed.image.shape, mixed.image.dtype) == (image.shape, np.uint8)
    assert (mixed.labels.shape, mixed.labels.dtype) == (labels.shape, np.uint8)
    assert (mixed.ood.shape, mixed.ood.dtype) == (labels.shape, bool)
    assert (mixed.labels[mixed.ood] == IGNORE).all()
    if name == 'maxent':
        assert (mixed.labels == IGNORE).all()
    else:
        # Labels change only to ignore, and where they stay so does the picture.
        kept = mixed.labels != IGNORE
        np.testing.assert_array_equal(mixed.labels[kept], labels[kept])
        np.testing.assert_array_equal(mixed.image[kept], image[kept])
    again = mixer(image, labels, np.random.default_rng(seed))
    assert same(mixed, again)


def same(one: Mixed, other: Mixed) -> bool:
    return all(
        np.array_equal(getattr(one, key), getattr(other, key))
        for key in ('image', 'labels', 'ood')
    )


@pytest.mark.parametrize('name', ['anomaly_mix', 'coco_dag', 'maxent'])
def test_probability(name: str) -> None:
    image, labels = scene_of(0)
    rng = np.random.default_rng(0)
    mixed = [create_mixer(name, [disc(20)], {'probability': 0.3})(image, labels, rng)
             for _ in range(300)]  # fmt: skip
    share = np.mean([not np.array_equal(m.image, image) for m in mixed])
    assert 0.2 < share < 0.4
    for one in mixed:
        if np.array_equal(one.image, image):
            assert not one.ood.any()
            np.testing.assert_array_equal(one.labels, labels)
    never = create_mixer(name, [disc(20)], {'probability': 0.0})
    assert not any(never(image, labels, rng).ood.any() for _ in range(50))


def test_anomaly_mix_keeps_to_its_scale_and_number() -> None:
    image, labels = np.zeros((200, 300, 3), np.uint8), np.full((200, 300), 8, np.uint8)
    config = AnomalyMixConfig(probability=1.0, objects=[1, 1], scale=[0.1, 0.4], soft=0.0)
    mixer = AnomalyMix([disc(7), disc(120)], config)
    rng = np.random.default_rng(0)
    heights = []
    for _ in range(200):
        ood = mixer(image, labels, rng).ood
        rows, columns = np.flatnonzero(ood.any(1)), np.flatnonzero(ood.any(0))
        if rows[0] > 0 and rows[-1] < 199 and columns[0] > 0 and columns[-1] < 299:
            heights.append(rows[-1] - rows[0] + 1)
    assert 20 - 1 <= min(heights) <= 25
    assert 65 <= max(heights) <= 80 + 1
    # As many below the middle octave as above it.
    assert np.median(heights) == pytest.approx(40, rel=0.2)


def test_pasted_objects_of_known_classes_are_known() -> None:
    """In their share of the pictures, behind unknown ones; they cover what is unknown."""
    image, labels = np.zeros((100, 150, 3), np.uint8), np.full((100, 150), 8, np.uint8)
    person = replace(disc(20), label=11)
    config = AnomalyMixConfig(probability=0.5, known=0.25, objects=[1, 2], soft=0.0)
    mixer = AnomalyMix([disc(20)], config, known=[person])
    rng = np.random.default_rng(0)
    mixed = [mixer(image, labels, rng) for _ in range(400)]
    known = np.array([bool((one.labels == 11).any()) for one in mixed])
    unknown = np.array([bool(one.ood.any()) for one in mixed])
    assert known.mean() == pytest.approx(0.25, abs=0.07)
    assert unknown.mean() == pytest.approx(0.5, abs=0.08)
    assert (known & unknown).any()
    for one in mixed:
        assert set(np.unique(one.labels).tolist()) <= {8, 11, IGNORE}
        np.testing.assert_array_equal(one.ood, one.labels == IGNORE)
    canvas = Canvas.of(image, labels)
    canvas.put(disc(20), (50, 50), 0.0, None, rng)
    canvas.put(person, (50, 50), 0.0, None, rng)
    assert not canvas.ood.any()
    with pytest.raises(ProxyError, match=r'known is 0.25, expected objects of known classes'):
        AnomalyMix([disc(20)], config)


def test_moved_pieces_are_known_and_bring_their_labels() -> None:
    """Each changed pixel is one of its row, a known class beside it, in its own light."""
    rows, columns = np.mgrid[:64, :96]
    labels = ((rows // 8) * 2 + (columns >= 48)).astype(np.uint8)
    image = np.full((64, 96, 3), 100, np.uint8)
    config = AnomalyMixConfig(probability=0.0, moved=1.0, objects=[1, 2], soft=0.0)
    mixer = AnomalyMix([disc(20)], config)
    changed = 0
    for seed in range(60):
        mixed = mixer(image, labels, np.random.default_rng(seed))
        assert not mixed.ood.any()
        assert (mixed.labels != IGNORE).all()
        np.testing.assert_array_equal(mixed.labels // 2, labels // 2)
        changed += int((mixed.labels != labels).any())
        touched = (mixed.image != image).any(2)
        assert touched.mean() < 0.9
    assert changed > 30
    never = AnomalyMix([disc(20)], AnomalyMixConfig(probability=0.0))
    assert same(never(image, labels, np.random.default_rng(0)), Mixed(image, labels, labels > 99))


def test_drawn_objects_are_of_all_kinds_and_never_the_same() -> None:
    some, others = drawn_objects(24), drawn_objects(24, seed=1)
    assert [p.category for p in some[:12]] == [p.category for p in others[12:]]
    assert len({p.category for p in some}) == 12
    assert len({p.name for p in some + others}) == 48
    pictures = {p.image.tobytes() for p in some + others}
    assert len(pictures) == 48
    for proxy, again in zip(some, drawn_objects(24), strict=True):
        np.testing.assert_array_equal(proxy.image, again.image)
        assert 60 < max(proxy.mask.shape) < 240
        assert 0.2 < proxy.mask.mean() < 1
    assert drawn_objects(0) == []


def test_anomaly_mix_stands_on_the_ground() -> None:
    image, labels = np.zeros((100, 150, 3), np.uint8), np.full((100, 150), 8, np.uint8)
    labels[70:90, 40:100] = 0
    options = {'probability': 1.0, 'objects': [1, 1], 'on_road': 1.0, 'soft': 0.0}
    mixer = create_mixer('anomaly_mix', [disc(20)], {**options, 'scale': [0.2, 0.3]})
    for seed in range(50):
        ood = mixer(image, labels, np.random.default_rng(seed)).ood
        foot = np.flatnonzero(ood.any(1))[-1]
        assert 70 <= foot < 90
        assert 40 <= np.flatnonzero(ood[foot]).mean() < 100
    # Classes that are named instead of the road.
    mixer = create_mixer(
        'anomaly_mix', [disc(20)], {**options, 'scale': [0.2, 0.3], 'ground': [3]}
    )
    labels[20:22] = 3
    feet = {np.flatnonzero(mixer(image, labels, np.random.default_rng(s)).ood.any(1))[-1]
            for s in range(20)}  # fmt: skip
    assert feet == {20, 21}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    radius=st.integers(2, 200),
    split=st.sampled_from(['quarters', 'window']),
    height=st.integers(24, 80),
    width=st.integers(24, 80),
)
def test_every_dag_crop_holds_known_and_unknown(
    seed: int, radius: int, split: str, height: int, width: int
) -> None:
    image, labels = scene_of(seed, height, width)
    mixed = create_mixer('coco_dag', [disc(radius)], {'split': split})(
        image, labels, np.random.default_rng(seed)
    )
    assert mixed.ood.any()
    assert (mixed.labels != IGNORE).any()
    np.testing.assert_array_equal(mixed.labels[~mixed.ood], labels[~mixed.ood])


def test_dag_splits_at_the_centre_into_four() -> None:
    image, labels = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
    mixer = create_mixer('coco_dag', [disc(20)])
    corners = []
    for seed in range(200):
        ood = mixer(image, labels, np.random.default_rng(seed)).ood
        # Each part shows a quarter of the disc, its centre at the part's corner.
        expected = np.zeros(ood.shape, bool)
        rows, columns = np.mgrid[:60, :80]
        corner = next(
            (row, column) for row in (0, 60) for column in (0, 80)
            if ood[min(row, 59), min(column, 79)]
        )  # fmt: skip
        expected = np.hypot(rows - corner[0], columns - corner[1]) <= 20
        np.testing.assert_array_equal(ood, expected)
        corners.append(corner)
    assert all(30 < corners.count(corner) < 70 for corner in set(corners))
    assert len(set(corners)) == 4


def test_dag_takes_a_part_that_shows_the_object() -> None:
    # An angle bracket: nothing of it is in one of its quarters.
    mask = np.zeros((40, 40), np.uint8)
    mask[:, :6] = mask[-6:] = 1
    mixer = create_mixer('coco_dag', [Proxy(np.full((40, 40, 3), 255, np.uint8), mask)])
    image, labels = scene_of(0)
    for seed in range(40):
        assert mixer(image, labels, np.random.default_rng(seed)).ood.any()
    unlabelled = np.full_like(labels, IGNORE)
    assert mixer(image, unlabelled, np.random.default_rng(0)).ood.any()


def test_maxent_shows_photographs_and_what_is_known_of_them() -> None:
    photograph = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)
    mask = np.zeros((90, 120), np.uint8)
    mask[40:50, 60:70] = 1
    image, labels = scene_of(0)
    for seed in range(8):
        mixer = create_mixer('maxent', [Proxy(photograph, mask)], {'probability': 1.0})
        mixed = mixer(image, labels, np.random.default_rng(seed))
        assert any(
            np.array_equal(photograph[y : y + 64, x : x + 96][:, ::flip], mixed.image)
            and np.array_equal(mask[y : y + 64, x : x + 96][:, ::flip] > 0, mixed.ood)
            for y in range(27)
            for x in range(25)
            for flip in (1, -1)
        )
    small = Proxy(photograph[:30, :50], np.ones((30, 50), np.uint8))
    mixer = create_mixer('maxent', [small], {'probability': 1.0})
    grown = mixer(image, labels, np.random.default_rng(0))
    assert grown.ood.all()


def test_the_aligner_sees_the_scene_and_the_place() -> None:
    image, labels = scene_of(0)
    calls = []

    class Blue:
        def align(self, proxy: Proxy, scene: np.ndarray, box: Box, rng: object) -> Proxy:
            calls.append((scene.copy(), box, proxy.mask.shape))
            return Proxy(np.full_like(proxy.image, (0, 0, 255)), proxy.mask)

    for name in MIXERS:
        calls.clear()
        options = {'probability': 1.0} | ({'objects': [1, 1], 'soft': 0.0}
                                          if name == 'anomaly_mix' else {})  # fmt: skip
        mixer = create_mixer(name, [disc(20)], options, Blue())
        mixed = mixer(image, labels, np.random.default_rng(1))
        assert (mixed.image[mixed.ood] == (0, 0, 255)).all()
        ((scene, box, shape),) = calls
        np.testing.assert_array_equal(scene, image)
        assert (box.height, box.width) == shape


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('anomaly_mix', {'scale': [0.5, 0.1]}, 'the lower first'),
        ('anomaly_mix', {'objects': [0, 1]}, 'at least 1'),
        ('anomaly_mix', {'soft': 5}, '0 to 2'),
        ('anomaly_mix', {'moved': -1}, '0 to 1'),
        ('anomaly_mix', {'probability': 1.5}, '0 to 1'),
        ('coco_dag', {'split': 'halves'}, 'quarters or window'),
        ('maxent', {'unannotated': 'road'}, 'ignore or ood'),
        ('maxent', {'scale': 1.0}, "unknown recipe key 'scale'"),
    ],
)
def test_says_which_option_is_wrong(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        create_mixer(name, [disc(3)], options)


def test_mixers_by_name() -> None:
    assert MIXERS.names() == ['anomaly_mix', 'coco_dag', 'maxent']
    with pytest.raises(KeyError, match='choose one of: anomaly_mix'):
        create_mixer('paste', [disc(3)])
    with pytest.raises(ProxyError, match='no proxy'):
        create_mixer('anomaly_mix', [])
    with pytest.raises(ProxyError, match='expected CocoDagConfig'):
        MIXERS.get('coco_dag')([disc(3)], AnomalyMixConfig())
