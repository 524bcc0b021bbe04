# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Proxies: which are read, how large, where they go, what labels and masks then say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_seg_training.data import DataError
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.proxies import (
    Proxy,
    ProxyError,
    ProxyRules,
    read_known_objects,
    read_objects,
    read_photographs,
)
from anomaly_seg_training.proxies.coco import OTHER_NAMES

Save = Callable[[Path, np.ndarray], None]
Make = Callable[..., tuple[Path, Path]]
COCO = (
    'person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train', 'truck', 'boat',
    'traffic light', 'fire hydrant', 'stop sign', 'parking meter', 'bench', 'bird', 'cat', 'dog',
    'horse', 'sheep', 'cow', 'elephant', 'bear', 'zebra', 'giraffe', 'backpack', 'umbrella',
    'handbag', 'tie', 'suitcase', 'frisbee', 'skis', 'snowboard', 'sports ball', 'kite',
    'baseball bat', 'baseball glove', 'skateboard', 'surfboard', 'tennis racket', 'bottle',
    'wine glass', 'cup', 'fork', 'knife', 'spoon', 'bowl', 'banana', 'apple', 'sandwich', 'orange',
    'broccoli', 'carrot', 'hot dog', 'pizza', 'donut', 'cake', 'chair', 'couch', 'potted plant',
    'bed', 'dining table', 'toilet', 'tv', 'laptop', 'mouse', 'remote', 'keyboard', 'cell phone',
    'microwave', 'oven', 'toaster', 'sink', 'refrigerator', 'book', 'clock', 'vase', 'scissors',
    'teddy bear', 'hair drier', 'toothbrush',
)  # fmt: skip
STREET = (
    'person bicycle car motorcycle bus train truck traffic_light stop_sign fire_hydrant '
    'parking_meter bench potted_plant'
)
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
    del items[0]['area']
    items[1]['area'] = None
    (found,) = read_objects(*make(*items))
    assert found.name == 'a.png/0'
    assert len(read_objects(*make(*items), ProxyRules(min_area=800))) == 2


def test_vehicles_are_known_to_who_knows_cars() -> None:
    names = {1: 'truck', 2: 'bus', 3: 'train', 4: 'Traffic_Light', 5: 'dog'}
    rules = ProxyRules(classes=['car', 'traffic-light'])
    assert rules.dropped(names, 'a file') == {1, 2, 4}


@pytest.mark.parametrize(
    ('rules', 'dropped'),
    [
        ({}, STREET),
        ({'classes': ['car'], 'also_drop': []}, 'car bus truck'),
        ({'classes': ['vehicle', 'tree'], 'also_drop': ['dog']},
         'bicycle car motorcycle bus train truck potted_plant dog'),
        ({'classes': ['truck'], 'also_drop': ['car']}, 'car bus truck'),
        ({'classes': ['Bicyclist', 'SignSymbol', 'pole', 'building'], 'also_drop': []},
         'person bicycle'),
    ],
)  # fmt: skip
def test_cocos_own_names_decide_alone(rules: dict[str, Any], dropped: str) -> None:
    """What other vocabularies say changes nothing for the 80 names of COCO."""
    assert len(set(COCO)) == 80
    assert not set(COCO) & {name for names in OTHER_NAMES.values() for name in names}
    found = ProxyRules(**rules).dropped(dict(enumerate(COCO)), 'a file')
    assert {COCO[index] for index in found} == {n.replace('_', ' ') for n in dropped.split()}


@pytest.mark.parametrize(
    'name',
    [
        'Pickup Truck', 'SUV', 'Van', 'Sports Car', 'Bus (vehicle)',
        'car_(automobile)', 'bus_(vehicle)', 'train_(railroad_vehicle)', 'street_sign', 'minivan',
        'railcar_(part_of_a_train)', 'passenger_car_(part_of_a_train)', 'cab_(taxi)', 'fireplug',
        'motor_scooter', 'Street Lights', 'streetlight', 'Trolley', 'Scooter', 'Speed Limit Sign',
        'School_Bus', 'MINIBUS', 'Motorbike', 'bike', 'tram', 'streetcar',
        'Man', 'Woman', 'Boy', 'Girl', 'child', 'Pedestrian', 'Human face', 'Land vehicle',
        'Traffic-Light', 'Traffic sign', 'Houseplant', 'Palm  tree', 'House', ' Person ',
    ],
)  # fmt: skip
def test_other_vocabularies_know_the_street_too(name: str) -> None:
    names = {1: name, 2: 'Bat (Animal)', 3: 'car battery', 4: 'Traffic cone', 5: '(thing)'}
    assert ProxyRules().dropped(names, 'a file') == {1}


def test_other_names_count_as_the_class_that_holds_them() -> None:
    names = {1: 'pickup_truck', 2: 'man', 3: 'flowerpot'}
    assert ProxyRules(classes=['vehicle'], also_drop=[]).dropped(names, 'a file') == {1}
    assert ProxyRules(classes=['sky'], also_drop=['truck']).dropped(names, 'a file') == {1}
    assert ProxyRules(classes=['rider']).dropped(names, 'a file') == {2, 3}


def test_objects_of_unlisted_categories_are_refused(make: Make) -> None:
    stray = annotation(999, id=17, segmentation=square(120, 20))
    place = make(annotation(), annotation(1), stray)
    wanted = r'a\.json, image a\.png: the annotation with the id 17 has the category_id 999, which'
    for read in (read_objects, read_photographs):
        with pytest.raises(DataError, match=wanted):
            read(*place)
    with pytest.raises(DataError, match=wanted):
        read_known_objects(*place, ['rider'])
    rules = ProxyRules(drop_ids=[999], contact=1.0)
    assert [p.category for p in read_objects(*place, rules)] == ['cow']
    assert [p.category for p in read_known_objects(*place, ['rider'], rules)] == ['person']
    ids_alone = ProxyRules(classes=[], also_drop=[], drop_ids=[1, 21])
    assert [p.category for p in read_objects(*place, ids_alone)] == ['']


def test_objects_without_names_have_no_known_class(make: Make) -> None:
    with pytest.raises(ProxyError, match='names no categories, so no object has a known class'):
        read_known_objects(*make(annotation(), categories=[]), ['rider'])


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


def test_proxies_of_wrong_form_are_refused() -> None:
    with pytest.raises(ValueError, match='expected'):
        Proxy(np.zeros((3, 4, 3), np.uint8), np.zeros((4, 3), np.uint8))
    with pytest.raises(ValueError, match='expected'):
        Proxy(np.zeros((3, 4, 3), np.float32), np.zeros((3, 4), np.uint8))
