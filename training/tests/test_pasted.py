# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pasted objects: which are cut out, where they go, what the targets say."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import DataError, pasted
from anomaly_seg_training.data.base import Example
from anomaly_seg_training.proxies import Proxy, ProxyError

Save = Callable[[Path, np.ndarray], None]
SQUARE = [[20.0, 10.0, 80.0, 10.0, 80.0, 70.0, 20.0, 70.0]]


def annotation(**changes: Any) -> dict[str, Any]:
    """A cow in the middle of a photograph of 100x80."""
    return {
        'image_id': 1, 'category_id': 21, 'segmentation': SQUARE, 'area': 3600.0, 'iscrowd': 0,
        **changes,
    }  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, save: Save) -> Callable[..., Path]:
    """Make data with one red photograph and the given annotations, and two grey streets."""

    def make(*annotations: dict[str, Any]) -> Path:
        folder = tmp_path / 'coco128'
        photograph = np.full((80, 100, 3), (250, 10, 10), np.uint8)
        save(folder / 'images' / 'train2017' / 'a.png', photograph)
        content = {'images': [{'id': 1, 'file_name': 'a.png'}], 'annotations': annotations}
        (folder / 'annotations').mkdir()
        file = folder / 'annotations' / 'instances_train2017.json'
        file.write_text(json.dumps(content))
        for name in 'bc':
            scene = tmp_path / 'cityscapes_mini' / 'train'
            save(scene / 'images' / f'{name}.png', np.full((128, 256, 3), 100, np.uint8))
            labels = np.zeros((128, 256), np.uint8)
            labels[:20] = IGNORE
            save(scene / 'trainIds' / f'{name}.png', labels)
        return tmp_path

    return make


def test_targets_of_the_road_leave_the_rest_out(root: Callable[..., Path], save: Save) -> None:
    """Of scenes that are road on their left that counts, and objects that cover some of it."""
    folder = root(annotation())
    labels = np.full((128, 256), 2, np.uint8)
    labels[:, :100] = 0
    for name in 'bc':
        save(folder / 'cityscapes_mini' / 'train' / 'trainIds' / f'{name}.png', labels)
    kept = 0
    for whole, road in zip(
        pasted.read(folder, copies=6), pasted.read(folder, copies=6, road=True), strict=True
    ):
        assert np.array_equal(whole.image, road.image)
        assert np.array_equal(road.target == 0, (whole.target == 0) & (labels == 0))
        assert not ((road.target == 1) & (whole.target != 1)).any()
        # Whatever of an object lies on the road is kept; objects far from it are not.
        assert (road.target[(whole.target == 1) & (labels == 0)] == 1).all()
        reach = np.nonzero((road.target == 1).any(0))[0]
        kept += int(((road.target == 1) & (labels != 0)).any())
        assert (road.target == IGNORE).any()
        if len(reach):
            assert reach.min() < 100
    assert kept
    everywhere = [e.target for e in pasted.read(folder, copies=6)]
    on_road = [e.target for e in pasted.read(folder, copies=6, road=True)]
    assert sum((t == 1).sum() for t in on_road) < sum((t == 1).sum() for t in everywhere)


def test_objects_are_cut_along_their_polygon(root: Callable[..., Path]) -> None:
    (found,) = pasted.cutouts(root(annotation()))
    assert found.mask.shape == (61, 61)
    assert found.mask.all()
    assert (found.image == (250, 10, 10)).all()


@pytest.mark.parametrize(
    'unwanted',
    [
        {'category_id': 1},  # person
        {'category_id': 64},  # potted plant
        {'iscrowd': 1, 'segmentation': {'counts': [], 'size': [80, 100]}},
        {'area': 900.0},
        {'segmentation': [[0.0, 10.0, 60.0, 10.0, 60.0, 70.0, 0.0, 70.0]]},
    ],
)
def test_known_small_crowded_and_cut_objects_are_left_out(
    root: Callable[..., Path], unwanted: dict[str, Any]
) -> None:
    assert len(pasted.cutouts(root(annotation(), annotation(**unwanted)))) == 1


def test_scenes_change_only_where_the_target_says(root: Callable[..., Path]) -> None:
    folder = root(annotation())
    examples = list(pasted.read(folder, copies=2, objects=4))
    assert [e.name for e in examples] == [f'cityscapes/train/{n}/{c}' for n in 'bc' for c in '01']
    for example in examples:
        found = example.target == 1
        assert 0 < found.mean() < 0.5
        assert (example.target[:20][~found[:20]] == IGNORE).all()
        assert set(np.unique(example.target)) <= {0, 1, IGNORE}
        changed = (example.image != 100).any(2)
        # Soft edges reach one pixel over the mask.
        grown = np.zeros_like(found)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                grown |= np.roll(found, (dy, dx), (0, 1))
        assert not (changed & ~grown).any()
        assert (example.image[found].max(1) > example.image[found].min(1)).mean() > 0.9
    assert any((a.target != b.target).any() for a, b in itertools.pairwise(examples))


def test_the_seed_decides(root: Callable[..., Path]) -> None:
    folder = root(annotation())
    first, again, other = (list(pasted.read(folder, seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first[0].image, again[0].image)
    assert (first[0].image != other[0].image).any()


def test_objects_stand_on_the_road(root: Callable[..., Path]) -> None:
    (thing,) = pasted.cutouts(root(annotation()))
    labels = np.full((128, 256), 8, np.uint8)
    labels[100:] = 0
    scene = Example('s', np.full((128, 256, 3), 90, np.uint8), labels, Size(256, 128))
    on_road = 0
    for seed in range(60):
        _, target = pasted.paste(scene, [thing], np.random.default_rng(seed))
        rows = np.nonzero((target == 1).any(1))[0]
        on_road += len(rows) > 0 and rows[-1] >= 98
    assert on_road > 35


def test_the_thinnest_objects_keep_a_pixel() -> None:
    """A lamp post of a large photograph, drawn smaller than its width can follow."""
    post = Proxy(np.full((2000, 12, 3), 250, np.uint8), np.ones((2000, 12), np.uint8))
    labels = np.zeros((128, 256), np.uint8)
    scene = Example('s', np.full((128, 256, 3), 90, np.uint8), labels, Size(256, 128))
    widths = set()
    for seed in range(20):
        _, target = pasted.paste(scene, [post], np.random.default_rng(seed))
        widths.add(int((target == 1).any(0).sum()))
    assert widths == {1}


def test_objects_that_had_pixels_are_drawn_as_before() -> None:
    """OpenCV samples by the factor, which is not the quotient of the rounded sizes."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        rows, columns = rng.integers(20, 300, 2)
        image = rng.integers(0, 256, (rows, columns, 3), np.uint8)
        factor = float(rng.uniform(0.06, 1.5))
        expected = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(pasted._scaled(image, factor), expected)
    assert pasted._scaled(np.zeros((4, 900, 3), np.uint8), 0.01).shape == (1, 9, 3)


def test_says_what_is_wrong(root: Callable[..., Path]) -> None:
    folder = root(annotation(category_id=1))
    with pytest.raises(ProxyError, match='none of the 1 objects'):
        pasted.cutouts(folder)
    with pytest.raises(DataError, match='instances_val2017'):
        pasted.cutouts(folder, 'val2017')
    (folder / 'coco128' / 'annotations' / 'instances_train2017.json').write_text('[]')
    with pytest.raises(DataError, match="COCO's instances"):
        pasted.cutouts(folder)


def test_says_which_scenes_exist(root: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match='cityscapes/train, cityscapes/val'):
        list(pasted.read(root(annotation()), base='road_anomaly_val'))
