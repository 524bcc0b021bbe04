# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Proxies: which are read, how large, where they go, what labels and masks then say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.data import DataError
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.proxies import (
    MIXERS,
    AnomalyMix,
    AnomalyMixConfig,
    Box,
    Mixed,
    Proxy,
    ProxyError,
    ProxyRules,
    create_mixer,
    read_known_objects,
    read_objects,
    read_photographs,
)
from anomaly_seg_training.proxies.paste import RIM, Canvas, scaled

Save = Callable[[Path, np.ndarray], None]
Make = Callable[..., tuple[Path, Path]]
NAMES = {1: 'person', 3: 'car', 18: 'dog', 21: 'cow', 64: 'potted plant'}


def square(left: int, top: int, side: int = 60) -> list[list[int]]:
    right, bottom = left + side - 1, top + side - 1
    return [[left, top, right, top, right, bottom, left, bottom]]


def annotation(category: int = 21, **changes: Any) -> dict[str, Any]:
    return {
        'image_id': 1, 'category_id': category, 'segmentation': square(20, 10), 'area': 3600.0,
        **changes,
    }  # fmt: skip


@pytest.fixture
def make(tmp_path: Path, save: Save) -> Make:
    """Write a photograph of 200x120 and a file of annotations; return both places."""

    def write(*annotations: dict[str, Any], **changes: Any) -> tuple[Path, Path]:
        picture = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
        save(tmp_path / 'photographs' / 'a.png', picture)
        content = {
            'images': [{'id': 1, 'file_name': 'a.png', 'width': 200, 'height': 120}],
            'annotations': annotations,
            'categories': [{'id': i, 'name': n} for i, n in NAMES.items()],
        } | changes
        (tmp_path / 'a.json').write_text(json.dumps(content))
        return tmp_path / 'a.json', tmp_path / 'photographs'

    return write


def test_a_whole_object_is_cut_out(make: Make) -> None:
    (found,) = read_objects(*make(annotation()), ProxyRules(trim=0))
    assert (found.name, found.category) == ('a.png/0', 'cow')
    assert found.mask.shape == (60, 60)
    assert found.mask.all()
    (trimmed,) = read_objects(*make(annotation()))
    assert trimmed.mask.shape == (58, 58)
    np.testing.assert_array_equal(trimmed.image, found.image[1:-1, 1:-1])


def test_an_object_in_runs_is_cut_out_alike(make: Make) -> None:
    runs = [20 * 120 + 10] + [60, 60] * 59 + [60]
    runs.append(200 * 120 - sum(runs))
    item = annotation(segmentation={'counts': runs, 'size': [120, 200]})
    (found,) = read_objects(*make(item), ProxyRules(trim=0))
    (other,) = read_objects(*make(annotation()), ProxyRules(trim=0))
    np.testing.assert_array_equal(found.mask, other.mask)
    np.testing.assert_array_equal(found.image, other.image)


@pytest.mark.parametrize(
    'unwanted',
    [
        annotation(1, segmentation=square(120, 20)),  # known to Cityscapes
        annotation(64, segmentation=square(120, 20)),  # much like vegetation
        annotation(segmentation=square(120, 20), iscrowd=1),
        annotation(segmentation=square(120, 20), area=900.0),
        annotation(segmentation=square(120, 20, 20)),  # its side is too short
        annotation(segmentation=square(139, 20)),  # ends 1 pixel from the border
        annotation(segmentation=square(120, 20, 40) + square(165, 20, 30)),  # in two parts
        annotation(segmentation=[]),
    ],
)
def test_others_are_left_out(make: Make, unwanted: dict[str, Any]) -> None:
    found = read_objects(*make(unwanted, annotation()))
    assert [proxy.name for proxy in found] == ['a.png/1']


def test_what_touches_another_may_be_hidden_by_it(make: Make) -> None:
    far = annotation(18, segmentation=square(120, 10))
    beside = annotation(18, segmentation=square(80, 10))  # a quarter of the outlines in common
    across = annotation(18, segmentation=square(60, 40))
    assert len(read_objects(*make(annotation(), far))) == 2
    assert len(read_objects(*make(annotation(), beside), ProxyRules(contact=0.5))) == 2
    assert len(read_objects(*make(annotation(), across), ProxyRules(contact=1.0))) == 2
    for other in (beside, across):
        with pytest.raises(ProxyError, match='none of the 2 objects'):
            read_objects(*make(annotation(), other))


def test_classes_of_the_segmenter_decide(make: Make) -> None:
    place = make(annotation(21), annotation(1, segmentation=square(120, 20)))
    assert [p.category for p in read_objects(*place, ProxyRules(classes=['cow']))] == ['person']
    assert [p.category for p in read_objects(*place, ProxyRules(classes=['Rider']))] == ['cow']
    assert len(read_objects(*place, ProxyRules(classes=['sky'], also_drop=[]))) == 2
    both = ProxyRules(classes=[], also_drop=['Person'], drop_ids=[21])
    with pytest.raises(ProxyError, match='loosen the rules'):
        read_objects(*place, both)


def test_known_objects_bring_their_labels(make: Make) -> None:
    place = make(annotation(21), annotation(1, segmentation=square(120, 20)))
    (found,) = read_known_objects(*place, ['road', 'rider', 'car'])
    assert (found.category, found.label) == ('person', 1)
    (found,) = read_known_objects(*place, ['cow', 'road'])
    assert (found.category, found.label) == ('cow', 0)
    with pytest.raises(ProxyError, match='none of the 2 objects'):
        read_known_objects(*place, ['sky', 'vegetation'])


def test_areas_are_measured_where_none_are_told(make: Make) -> None:
    small = annotation(segmentation=square(120, 20, 30))
    items = [annotation(), small]
    for item in items:
        del item['area']
    (found,) = read_objects(*make(*items))
    assert found.name == 'a.png/0'
    assert len(read_objects(*make(*items), ProxyRules(min_area=800))) == 2


def test_vehicles_are_known_to_who_knows_cars() -> None:
    names = {1: 'truck', 2: 'bus', 3: 'train', 4: 'Traffic_Light', 5: 'dog'}
    rules = ProxyRules(classes=['car', 'traffic-light'])
    assert rules.dropped(names, 'a file') == {1, 2, 4}


def test_a_limit_draws_photographs(tmp_path: Path, save: Save) -> None:
    for number in range(5):
        save(tmp_path / f'{number}.png', np.full((120, 200, 3), number, np.uint8))
    content = {
        'images': [{'id': n, 'file_name': f'{n}.png'} for n in range(5)],
        'annotations': [annotation(image_id=n) for n in range(5)],
        'categories': [{'id': 21, 'name': 'cow'}],
    }
    file = tmp_path / 'a.json'
    file.write_text(json.dumps(content))
    drawn = [
        [p.name for p in read_objects(file, tmp_path, ProxyRules(limit=2, seed=seed))]
        for seed in range(4)
    ]
    assert all(len(names) == 2 for names in drawn)
    assert len({name for names in drawn for name in names}) > 2
    again = [p.name for p in read_objects(file, tmp_path, ProxyRules(limit=2, seed=3))]
    assert again == drawn[3]
    assert len(read_photographs(file, tmp_path, ProxyRules(limit=3))) == 3
    for limit in (0, 5, 9):
        names = [p.name for p in read_objects(file, tmp_path, ProxyRules(limit=limit))]
        assert names == [f'{n}.png/0' for n in range(5)]


def test_photographs_without_known_classes(make: Make) -> None:
    crowd = annotation(
        18, segmentation={'counts': [0, 240, 120 * 200 - 240], 'size': [120, 200]}, iscrowd=1
    )
    (found,) = read_photographs(*make(annotation(), crowd))
    assert found.image.shape == (120, 200, 3)
    expected = np.zeros((120, 200), np.uint8)
    expected[10:70, 20:80] = expected[:, :2] = 1
    np.testing.assert_array_equal(found.mask, expected)
    for least, items in ((0, [annotation(), annotation(3)]), (121, [annotation()])):
        with pytest.raises(ProxyError, match='none of the 1 photographs'):
            read_photographs(*make(*items), min_side=least)


def test_says_what_is_wrong_with_the_file(make: Make, tmp_path: Path) -> None:
    file, images = make(annotation())
    with pytest.raises(DataError, match=r'no folder .*nowhere'):
        read_objects(file, tmp_path / 'nowhere')
    with pytest.raises(DataError, match=r'nothing\.json'):
        read_objects(tmp_path / 'nothing.json', images)
    with pytest.raises(DataError, match='outlines none of its 2 objects'):
        read_objects(*make(annotation(segmentation=[]), annotation(segmentation=[])))
    boxes = [{'image_id': 1, 'category_id': 21, 'bbox': [1, 2, 30, 40], 'area': 1200}]
    with pytest.raises(DataError, match='outlines none of its 1 objects'):
        read_objects(*make(*boxes))
    with pytest.raises(DataError, match='an outline is not in the format'):
        read_objects(*make(annotation(segmentation=[[1, 2, 3]])))
    with pytest.raises(ProxyError, match='names no categories'):
        read_objects(*make(annotation(), categories=[]))
    wrong = [{'id': 1, 'file_name': 'a.png', 'width': 100, 'height': 120}]
    with pytest.raises(DataError, match='is 200x120, its annotations say 100x120'):
        read_objects(*make(annotation(), images=wrong))
    outside = [{'id': 1, 'file_name': '../a.png'}]
    with pytest.raises(DataError, match='expected one inside the folder'):
        read_objects(*make(annotation(), images=outside))
    with pytest.raises(LabError, match='contact'):
        ProxyRules(contact=2.0)


def disc(radius: int, colour: tuple[int, int, int] = (250, 10, 10)) -> Proxy:
    """A disc on a bright green background."""
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    mask = (np.hypot(rows, columns) <= radius).astype(np.uint8)
    image = np.where(mask[..., None] > 0, np.uint8(colour), np.uint8((0, 255, 0)))
    return Proxy(image, mask, 'disc', 'disc')


def test_proxies_of_wrong_form_are_refused() -> None:
    with pytest.raises(ValueError, match='expected'):
        Proxy(np.zeros((3, 4, 3), np.uint8), np.zeros((4, 3), np.uint8))
    with pytest.raises(ValueError, match='expected'):
        Proxy(np.zeros((3, 4, 3), np.float32), np.zeros((3, 4), np.uint8))


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


MIXER_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ('anomaly_mix', {}),
    ('anomaly_mix', {'soft': 0.0, 'on_road': 1.0, 'scale': [0.3, 2.0], 'objects': [4, 4]}),
    ('coco_dag', {}),
    ('coco_dag', {'split': 'window', 'soft': 0.7}),
    ('maxent', {}),
    ('maxent', {'unannotated': 'ood'}),
]


def scene_of(seed: int, height: int = 64, width: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A scene of noise without red, a third of it unlabelled."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 120, (height, width, 3), np.uint8)
    labels = rng.integers(0, 19, (height, width), np.uint8)
    labels[: height // 3] = IGNORE
    return image, labels


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
