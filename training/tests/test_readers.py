# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers: labels mapped, unknown values and missing files refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.images import read_label_map
from anomaly_seg_training.data import READERS, DataError, anomaly, camvid, histogram
from anomaly_seg_training.data.coco_instances import mask_of
from anomaly_seg_training.data.labelled import spell

Save = Callable[[Path, np.ndarray], None]


def test_cityscapes_is_passed_through(data: Path) -> None:
    examples = list(READERS.get('cityscapes')(data))
    assert [e.name for e in examples] == [f'cityscapes/train/{i}' for i in range(3)]
    labels = read_label_map(data / 'cityscapes_mini' / 'train' / 'trainIds' / '1.png')
    assert examples[1].labels is not None
    np.testing.assert_array_equal(examples[1].labels, labels)
    assert examples[1].image.shape == (128, 256, 3)


@pytest.mark.parametrize(
    ('value', 'name'),
    [(0, 'sky'), (1, 'building'), (2, 'pole'), (3, 'road'), (4, 'sidewalk'), (5, 'vegetation'),
     (6, 'traffic sign'), (7, 'fence'), (8, 'car'), (9, 'person'), (10, None), (11, None)],
)  # fmt: skip
def test_camvid_maps_to_cityscapes(
    save: Save, tmp_path: Path, value: int, name: str | None
) -> None:
    folder = tmp_path / 'camvid' / 'train'
    save(folder / 'images' / 'a.png', np.zeros((4, 6, 3), np.uint8))
    save(folder / 'labels' / 'a.png', np.full((4, 6), value, np.uint8))
    (example,) = READERS.get('camvid')(tmp_path, splits=('train',))
    assert example.labels is not None
    expected = 255 if name is None else CITYSCAPES.names.index(name)
    assert np.unique(example.labels).tolist() == [expected]


def test_camvid_has_all_its_values_mapped() -> None:
    assert sorted(camvid.TO_CITYSCAPES) == list(range(12))


@pytest.mark.parametrize(
    ('reader', 'folders', 'value'),
    [('cityscapes', ('cityscapes_mini/train', 'trainIds'), 19),
     ('camvid', ('camvid/train', 'labels'), 12), ('camvid', ('camvid/train', 'labels'), 255)],
)  # fmt: skip
def test_unknown_label_values_are_refused(
    save: Save, tmp_path: Path, reader: str, folders: tuple[str, str], value: int
) -> None:
    labels = np.zeros((4, 6), np.uint8)
    labels[1, 2] = value
    save(tmp_path / folders[0] / 'images' / 'a.png', np.zeros((4, 6, 3), np.uint8))
    save(tmp_path / folders[0] / folders[1] / 'a.png', labels)
    with pytest.raises(DataError, match=rf'a\.png holds the label values \[{value}\]'):
        list(READERS.get(reader)(tmp_path))


def test_a_label_map_of_another_size_is_refused(save: Save, tmp_path: Path) -> None:
    save(tmp_path / 'cityscapes_mini/train/images/a.png', np.zeros((4, 6, 3), np.uint8))
    save(tmp_path / 'cityscapes_mini/train/trainIds/a.png', np.zeros((4, 5), np.uint8))
    with pytest.raises(DataError, match='image is 6x4 and its label map 5x4'):
        list(READERS.get('cityscapes')(tmp_path))


def test_a_missing_label_map_is_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / 'copy')
    (tmp_path / 'copy/cityscapes_mini/train/trainIds/2.png').unlink()
    with pytest.raises(DataError, match=r'2\.png has no label map'):
        list(READERS.get('cityscapes')(tmp_path / 'copy'))


@pytest.mark.parametrize('reader', ['cityscapes', 'camvid', 'coco', 'video'])
def test_a_missing_data_set_is_a_clear_error(tmp_path: Path, reader: str) -> None:
    with pytest.raises(DataError, match='there is no folder|holds no (video|image)'):
        list(READERS.get(reader)(tmp_path))


def test_videos_give_every_nth_frame(data: Path) -> None:
    names = [e.name for e in READERS.get('video')(data, step=2)]
    assert names == [f'video/drive/{i:06d}' for i in (0, 2, 4)]


def test_areas_drawn_into_frames_are_labels(data: Path) -> None:
    lane = [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1]]
    areas = [['road', lane], ['sky', [[0, 0], [1, 0], [1, 0.25]]]]
    drawn = {'drive': [{'frames': [1, 4], 'areas': areas}]}
    examples = list(READERS.get('video')(data, step=4, drawn=drawn))
    assert [e.name for e in examples] == [f'video/drive/{i:06d}' for i in (0, 1, 4)]
    assert examples[0].labels is None
    for example in examples[1:]:
        assert example.labels is not None
        assert example.labels.shape == (128, 256)
        assert (example.labels[100, 200], example.labels[5, 200]) == (0, 10)
        assert (example.labels[100, 60], example.labels[40, 60]) == (255, 255)


def test_drawn_frames_come_often_and_later_areas_lie_above(data: Path) -> None:
    everything = [[0, 0], [1, 0], [1, 1], [0, 1]]
    areas = [['road', everything], ['ignore', [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]]
    drawn = {'drive': [{'frames': [0], 'areas': areas}]}
    examples = list(READERS.get('video')(data, step=4, drawn=drawn, drawn_times=3))
    assert [e.name for e in examples] == [f'video/drive/{i:06d}' for i in (0, 0, 0, 4)]
    labels = examples[0].labels
    assert labels is not None
    assert (labels[60, 60], labels[60, 200]) == (0, 255)


@pytest.mark.parametrize(
    'area',
    [['street', [[0, 0], [1, 0], [1, 1]]], ['road', [[0, 0], [1, 0]]], ['road', 'here'],
     ['road', [[0, 0], [2, 0], [1, 1]]], ['road', [[0, 0], [1], [1, 1]]], 'road'],
)  # fmt: skip
def test_impossible_drawn_areas_are_named(data: Path, area: object) -> None:
    drawn = {'drive': [{'frames': [0], 'areas': [area]}]}
    with pytest.raises(DataError, match='drawn area .*: expected a class of Cityscapes'):
        list(READERS.get('video')(data, drawn=drawn))


@pytest.mark.parametrize('groups', [{'frames': [0]}, [{'frames': [0]}], [{'areas': []}], 3])
def test_groups_of_drawn_areas_need_frames_and_areas(data: Path, groups: object) -> None:
    with pytest.raises(DataError, match='expected groups of frames and areas'):
        list(READERS.get('video')(data, drawn={'drive': groups}))


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / 'video').mkdir()
    (tmp_path / 'video' / 'bad.mp4').write_bytes(b'nothing')
    with pytest.raises(DataError, match=r'bad\.mp4 holds no frame'):
        list(READERS.get('video')(tmp_path))


def test_generated_scenes_are_labelled_and_not_for_the_teacher(tmp_path: Path) -> None:
    (first, second) = READERS.get('synthetic')(tmp_path, clips=2, frames=1)
    assert not first.taught
    assert first.labels is not None
    assert set(np.unique(first.labels)) <= {*range(19), 255}
    assert not np.array_equal(first.image, second.image)


def test_coco_objects_that_streets_know_are_labels(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / 'coco128', tmp_path / 'coco128')

    def item(category: int, box: tuple[int, int, int, int]) -> dict[str, object]:
        x0, y0, x1, y1 = box
        area = (x1 - x0) * (y1 - y0)
        return {'image_id': 7, 'category_id': category, 'area': area,
                'segmentation': [[x0, y0, x1, y0, x1, y1, x0, y1]]}  # fmt: skip

    content = {
        'images': [{'id': 7, 'file_name': '0.png'}],
        'annotations': [
            item(1, (60, 10, 70, 20)),  # a person on the bus, drawn later for being smaller
            item(6, (40, 0, 99, 30)),
            item(51, (45, 5, 50, 8)),  # a bowl: unknown
            item(2, (0, 40, 20, 60)),
            item(1, (15, 30, 20, 45)),  # on the bicycle: a rider in Cityscapes
        ],
    }
    folder = tmp_path / 'coco128' / 'annotations'
    folder.mkdir()
    (folder / 'instances_train2017.json').write_text(json.dumps(content))
    labels, other = (e.labels for e in READERS.get('coco')(tmp_path))
    assert labels is not None
    assert other is not None
    assert np.unique(labels).tolist() == [11, 15, 18, 255]
    assert (labels[15, 65], labels[25, 65], labels[6, 47], labels[50, 10]) == (11, 15, 255, 18)
    assert labels[32, 18] == 255
    assert np.unique(other).tolist() == [255]
    # With unknown objects only the photograph that has outlines is left.
    (marked,) = READERS.get('coco')(tmp_path, sets=['train2017'], unknown=True)
    np.testing.assert_array_equal(marked.labels, labels)
    assert marked.unknown is not None
    assert marked.unknown[6, 47]
    assert int(marked.unknown.sum()) == 6 * 4, 'the outline of the bowl, its ends included'
    with pytest.raises(DataError, match='holds no image'):
        list(READERS.get('coco')(tmp_path, sets=['val2017']))
    (folder / 'instances_train2017.json').rename(folder / 'instances_train.json')
    with pytest.raises(DataError, match=r'there is no .*instances_train2017\.json, without which'):
        list(READERS.get('coco')(tmp_path, unknown=True))
    (folder / 'instances_train2017.json').write_text('{"images": []}')
    with pytest.raises(DataError, match="not in the format of COCO's instances"):
        list(READERS.get('coco')(tmp_path))


def test_outlines_and_runs_of_coco_draw_the_same_object() -> None:
    outline = {'segmentation': [[1, 0, 2, 0, 2, 3, 1, 3]]}
    # Columns of 4: the first empty, two full, one empty.
    runs = {'segmentation': {'size': [4, 4], 'counts': [4, 8, 4]}}
    expected = [[0, 1, 1, 0]] * 4
    assert mask_of(outline, (4, 4)).tolist() == expected
    assert mask_of(runs, (4, 4)).tolist() == expected
    uneven = {'segmentation': {'size': [2, 3], 'counts': [1, 2, 3]}}
    assert mask_of(uneven, (2, 3)).tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(ValueError, match='a list whose sum is 16'):
        mask_of({'segmentation': {'counts': [3]}}, (4, 4))


def test_label_maps_without_image_are_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / 'copy')
    images = tmp_path / 'copy/cityscapes_mini/train/images'
    (images / '1.png').unlink()
    (images / '2.png').unlink()
    with pytest.raises(DataError, match=r'trainIds/1\.png has no image \(nor have 1 others\)'):
        list(READERS.get('cityscapes')(tmp_path / 'copy'))


@pytest.mark.parametrize(
    ('values', 'text'),
    [([], ''), ([3], '3'), ([255, 0, 1], '0, 1, 255'), ([2, 1, 0, 5, 7, 8, 9], '0-2, 5, 7-9')],
)
def test_values_are_spelt_as_people_write_them(values: list[int], text: str) -> None:
    assert spell(values) == text


def test_coco_without_annotations_is_unlabelled_and_viewed_in_its_own_form(data: Path) -> None:
    wide, tall = READERS.get('coco')(data)
    assert (wide.name, tall.name) == ('coco/0', 'coco/1')
    assert wide.labels is None
    assert wide.taught
    assert wide.view == (768, 480)
    assert tall.view == (416, 768)
    assert [e.name for e in READERS.get('coco')(data, step=2)] == ['coco/0']


def test_anomaly_masks_become_zero_one_ignore(save: Save, tmp_path: Path) -> None:
    folder = tmp_path / 'road_anomaly_val' / 'RoadAnomaly'
    save(folder / 'images' / 'a.png', np.zeros((2, 3, 3), np.uint8))
    save(folder / 'labels_masks' / 'a.png', np.array([[0, 2, 0], [2, 2, 0]], np.uint8))
    (example,) = anomaly.read(tmp_path, 'RoadAnomaly')
    assert example.target.tolist() == [[0, 1, 0], [1, 1, 0]]
    save(folder / 'labels_masks' / 'a.png', np.array([[0, 1, 0], [2, 2, 0]], np.uint8))
    with pytest.raises(DataError, match=r'label values \[1\]'):
        list(anomaly.read(tmp_path, 'RoadAnomaly'))


def test_the_histogram_counts_every_pixel(data: Path) -> None:
    examples = list(READERS.get('cityscapes')(data))
    counts = histogram(examples)
    assert counts.sum() == 3 * 128 * 256
    assert counts[0] == sum(int((e.labels == 0).sum()) for e in examples)


@pytest.mark.shared_data
def test_the_project_data_has_no_unknown_value(shared_data: Path) -> None:
    counts = histogram(READERS.get('cityscapes')(shared_data))
    assert counts.sum() == 12 * 1024 * 2048
    assert counts[:14].min() > 0
