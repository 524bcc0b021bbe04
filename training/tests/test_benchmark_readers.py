# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of benchmarks: every real layout is understood, and what its label values mean."""

from __future__ import annotations

import pickle
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from support import benchmark_layouts as layouts

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.images import read_image
from anomaly_seg_training.benchmark import BENCHMARKS, BenchmarkSet, open_benchmark
from anomaly_seg_training.benchmark.readers import lost_and_found as laf
from anomaly_seg_training.benchmark.readers.bdd_anomaly import meaning_of
from anomaly_seg_training.benchmark.readers.cityscapes import IDS
from anomaly_seg_training.benchmark.readers.coco import CATEGORIES
from anomaly_seg_training.data import DataError

I = 255  # noqa: E741
TARGETS = {
    # Set: (protocol, images, region, evaluated by default, targets of the first row)
    'bdd_anomaly': {
        'BDD-Anomaly-test': ('caos', 2, 'scene', True, [0, 1, I] * 4),
        'BDD-Anomaly-train': ('caos', 2, 'scene', False, [0, 0, I] * 4),
        'BDD-Anomaly-val': ('caos', 1, 'scene', False, [0, 0] * 6),
        'BDD-Anomaly3-test': ('caos', 3, 'scene', False, [0, 1, I] * 4),
        'BDD-Anomaly3-train': ('caos', 1, 'scene', False, [0, 0, I] * 4),
        'BDD-Anomaly3-val': ('caos', 1, 'scene', False, [0, 0] * 6),
    },
    'camvid': {
        f'CamVid-{split}': ('fishyscapes', 2, 'scene', split == 'test', [0] * 11 + [I])
        for split in ('train', 'val', 'test')
    },
    'cityscapes': {
        'Cityscapes-val': ('fishyscapes', 2, 'scene', True, [0, 0, 0, I, I, 0] * 2),
    },
    'coco': {
        'COCO-val2017': (
            'fishyscapes', 2, 'scene', True, [0, 0, 0, 0, 0, I, I, I, I, I, I, I],
        ),
    },
    'fishyscapes_lost_and_found': {
        'FS_LostAndFound': ('fishyscapes', 2, 'scene', True, [0, 1, I] * 4),
    },
    'fishyscapes_static': {
        'FS_Static_v3': ('fishyscapes', 2, 'scene', True, [1, 0, I] * 4),
        'FS_Static_v2': ('fishyscapes', 2, 'scene', False, [1, 0, I] * 4),
    },
    'lost_and_found': {
        'LostAndFound-train': ('lost-and-found', 2, 'road', False, [I, 0, 1, 1, 1] * 2 + [I, 0]),
        'LostAndFound-test': ('lost-and-found', 2, 'road', False, [I, 0, 1, 1, 1] * 2 + [I, 0]),
        'LostAndFound-testNoKnown': (
            'lost-and-found', 1, 'road', True, [I, 0, 1, 1, 1] * 2 + [I, 0],
        ),
    },
    'road_anomaly': {'RoadAnomaly': ('fishyscapes', 2, 'scene', True, [0, 1] * 6)},
    'road_anomaly21': {
        'RoadAnomaly21-validation': ('smiyc-anomaly', 2, 'scene', True, [0, 1, I] * 4),
    },
    'road_anomaly_val': {
        'FS_LostFound_full': ('fishyscapes', 2, 'scene', True, [0, 1, I] * 4),
        'RoadAnomaly': ('fishyscapes', 2, 'scene', True, [0, 1] * 6),
        'fs_static': ('fishyscapes', 2, 'scene', True, [0, 1, I] * 4),
    },
    'road_obstacle21': {
        'RoadObstacle21-validation': ('smiyc-obstacle', 2, 'road', True, [0, 1, I] * 4),
    },
    'street_hazards': {
        'StreetHazards-train': ('caos', 1, 'scene', False, [0] * 12),
        'StreetHazards-val': ('caos', 1, 'scene', False, [0] * 12),
        'StreetHazards-test': ('caos', 1, 'scene', True, [0] * 11 + [1]),
    },
}  # fmt: skip


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every layout in a folder of its name."""
    root = tmp_path_factory.mktemp('layouts')
    for name, make in layouts.LAYOUTS.items():
        make(root / name)
    return root


def test_every_benchmark_has_a_layout() -> None:
    assert sorted(layouts.LAYOUTS) == sorted(BENCHMARKS)


@pytest.mark.parametrize('name', sorted(TARGETS))
def test_sets_and_what_their_values_mean(made: Path, name: str) -> None:
    found = {}
    for s in open_benchmark(name, made / name):
        _, target = s.items[0].read()
        found[s.name] = (s.protocol, len(s), s.region, s.default, target[0].tolist())
    assert found == TARGETS[name]


@pytest.mark.parametrize('name', sorted(layouts.LAYOUTS))
def test_every_item_gives_an_image_and_a_target(made: Path, name: str) -> None:
    sets = open_benchmark(name, made / name)
    items = [item for s in sets for item in s]
    assert len({item.name for item in items}) == len(items)
    for s in sets:
        assert s.items == tuple(sorted(s.items, key=lambda item: item.name))
        for item in s:
            image, target = item.read()
            assert (image.shape, image.dtype) == ((*layouts.SHAPE, 3), np.uint8)
            assert (target.shape, target.dtype) == (layouts.SHAPE, np.uint8)
            assert set(np.unique(target)) <= {0, 1, 255}
            assert item.name.startswith(f'{s.name}/')
            assert all(file.is_file() for file in item.files)
            assert set(s.meaning.names) == set(s.meaning.target)
            assert pickle.loads(pickle.dumps(item)) == item


@pytest.mark.parametrize('name', sorted(layouts.LAYOUTS))
def test_the_version_follows_the_files_not_their_place(
    made: Path, tmp_path: Path, name: str
) -> None:
    before = {s.name: s.version for s in open_benchmark(name, made / name)}
    assert all(len(version) == 64 for version in before.values())
    # A single set is named after its folder.
    copy = tmp_path / 'elsewhere' / name
    shutil.copytree(made / name, copy)
    assert {s.name: s.version for s in open_benchmark(name, copy)} == before
    first = open_benchmark(name, copy)[0]
    with first.items[0].files[-1].open('ab') as file:
        file.write(b' ')
    (copy / 'unrelated.txt').write_text('not part of any set')
    after = {s.name: s.version for s in open_benchmark(name, copy)}
    assert after[first.name] != before[first.name]


def test_targets_of_coco_are_drawn_small_objects_above_large_ones(made: Path) -> None:
    first, second = open_benchmark('coco', made / 'coco')[0]
    _, target = first.read()
    assert target[0, 0] == 0  # the person
    assert target[3, 3] == 1  # the dog before the person
    assert target[0, 8] == 255  # no object
    assert target[0, 11] == 255  # the crowd
    assert set(np.unique(second.read()[1])) == {255}  # a plant is much like known things
    assert len(CATEGORIES) == 80


def test_differences_are_added_to_images_of_cityscapes(made: Path) -> None:
    v3, v2 = open_benchmark('fishyscapes_static', made / 'fishyscapes_static')
    plain = read_image(v3.items[0].image_path).astype(int)
    for s, version in ((v3, 3), (v2, 2)):
        image = s.items[0].image()
        assert image[:, 0].tolist() == np.minimum(plain[:, 0] + 100 * version, 255).tolist()
        assert image[:, 1].tolist() == np.maximum(plain[:, 1] - 100, 0).tolist()
        assert image[:, 2:].tolist() == plain[:, 2:].tolist()


@pytest.mark.parametrize(
    ('content', 'message'),
    [({'other': np.zeros((8, 12, 3), np.int16)}, 'no NumPy archive with an array rgb'),
     ({'rgb': np.zeros((8, 11, 3), np.int16)}, r'int16 of shape \(8, 11, 3\), expected'),
     ({'rgb': np.zeros((8, 12, 3))}, 'float64'),
     ({'rgb': np.array([None])}, 'no NumPy archive with an array rgb'),
     (None, 'no NumPy archive with an array rgb')],
)  # fmt: skip
def test_a_difference_that_does_not_fit_is_named(
    tmp_path: Path, content: dict[str, np.ndarray] | None, message: str
) -> None:
    layouts.fishyscapes_static(tmp_path)
    file = next((tmp_path / 'fs_val_v3').glob('0000*.npz'))
    if content is None:
        file.write_bytes(b'PK nothing')
    else:
        np.savez(file, **content)
    item = open_benchmark('fishyscapes_static', tmp_path)[0].items[0]
    with pytest.raises(DataError, match=rf'0000_.*rgb\.npz.*{message}'):
        item.read()


def test_labels_of_streets_become_classes(made: Path) -> None:
    def classes(name: str, index: int = 0) -> tuple[BenchmarkSet, list[int]]:
        s = open_benchmark(name, made / name)[index]
        return s, s.items[0].read_classes()[1][0].tolist()

    s, row = classes('cityscapes')
    assert (s.meaning.classes, row) == (CITYSCAPES.names, [0, 1, 13, I, I, 18] * 2)
    s, row = classes('camvid')
    assert (s.meaning.classes, row) == (
        CITYSCAPES.names, [10, 2, 5, 0, 1, 8, 7, 4, 13, 11, I, I],
    )  # fmt: skip
    s, row = classes('street_hazards', 2)
    assert s.meaning.classes[row[0]] == 'fence'
    assert (len(s.meaning.classes), row) == (13, [*range(2, 13), I])
    s, row = classes('bdd_anomaly')
    assert (s.meaning.classes, row) == (CITYSCAPES.names, [0, I, I] * 4)
    assert classes('bdd_anomaly', 3)[1] == [0, I, I] * 4
    with pytest.raises(DataError, match='RoadAnomaly/animals01_bear has no class labels'):
        classes('road_anomaly')


def test_void_and_classes_of_cityscapes_have_the_names_of_their_ids() -> None:
    assert [IDS.names[value] for value in (0, 3, 6, 9, 14, 18, 29, 30)] == [
        'unlabeled', 'out of roi', 'ground', 'parking', 'guard rail', 'polegroup', 'caravan',
        'trailer',
    ]  # fmt: skip
    assert [IDS.names[value] for value in (7, 24, 33)] == ['road', 'person', 'bicycle']


def test_cityscapes_made_smaller_and_its_release_agree(made: Path, tmp_path: Path) -> None:
    (original,) = open_benchmark('cityscapes', made / 'cityscapes')
    for item in original:
        image, target = item.read_classes()
        stem = item.image_path.stem
        layouts.save(tmp_path / 'val/images' / f'{stem}.png', image)
        layouts.save(tmp_path / 'val/trainIds' / f'{stem}.png', target)
    (small,) = open_benchmark('cityscapes', tmp_path)
    for one, other in zip(original, small, strict=True):
        for a, b in zip(one.read(), other.read(), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(one.read_classes()[1], other.read_classes()[1])


def test_the_shifted_labels_of_the_paper_mean_the_same(made: Path, tmp_path: Path) -> None:
    for split in ('train', 'val'):
        for file in sorted((made / 'bdd_anomaly/labels/sem_seg/masks' / split).iterdir()):
            values = layouts.cv2.imread(str(file), -1)
            shifted = np.where(values == 255, 1, values + 2).astype(np.uint8)
            base = tmp_path / 'seg'
            layouts.save(base / 'train_labels' / split / f'{file.stem}_train_id.png', shifted)
            image = made / 'bdd_anomaly/images/10k' / split / f'{file.stem}.jpg'
            (base / 'images' / split).mkdir(parents=True, exist_ok=True)
            shutil.copy(image, base / 'images' / split / image.name)
    released = open_benchmark('bdd_anomaly', made / 'bdd_anomaly')
    archive = open_benchmark('bdd_anomaly', tmp_path)
    assert [s.name for s in released] == [s.name for s in archive]
    for one, other in zip(released, archive, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.name == b.name
            np.testing.assert_array_equal(a.read()[1], b.read()[1])
            np.testing.assert_array_equal(a.read_classes()[1], b.read_classes()[1])


def test_trains_and_motorcycles_are_unknown_and_bicycles_in_the_variant() -> None:
    names = CITYSCAPES.names
    meaning = meaning_of((16, 17))
    assert [names[v] for v, t in meaning.target.items() if t == 1] == ['train', 'motorcycle']
    assert meaning_of((16, 17, 18), shifted=True).names[20] == 'bicycle'
    assert meaning_of((16, 17, 18), shifted=True).target[20] == 1


def test_frames_without_labels_of_a_whole_split_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.lost_and_found(tmp_path)
    whole = dict(laf.UNLABELLED, test=(2, (0,)))
    monkeypatch.setattr(laf, 'UNLABELLED', whole)
    sets = {s.name: s for s in open_benchmark('lost_and_found', tmp_path)}
    (item,) = sets['LostAndFound-test']
    assert item.name.endswith('15_Rechbergstr_Deckenpfronn_000000_000100')
    assert 'LostAndFound-testNoKnown' not in sets
    assert {split: (n, len(without)) for split, (n, without) in laf.UNLABELLED.items()} == {
        'train': (1036, 6), 'test': (2, 1),
    }  # fmt: skip


def test_published_counts_of_lost_and_found_fit_together() -> None:
    for split, published in (('train', 1030), ('test', 1186)):
        whole, without = laf.UNLABELLED[split]
        assert whole - len(set(without)) == published


def test_a_gamma_value_in_a_png_does_not_wash_the_image_out(tmp_path: Path) -> None:
    # The images of Lost and Found carry one.
    layouts.lost_and_found(tmp_path)
    (train, *_) = open_benchmark('lost_and_found', tmp_path)
    file = train.items[0].image_path
    content = file.read_bytes()
    chunk = b'gAMA' + (20000).to_bytes(4, 'big')
    gamma = (4).to_bytes(4, 'big') + chunk + zlib.crc32(chunk).to_bytes(4, 'big')
    header = 8 + 25
    file.write_bytes(content[:header] + gamma + content[header:])
    np.testing.assert_array_equal(train.items[0].image(), layouts.picture(1))


def test_secret_labels_of_test_images_are_no_error_a_part_of_them_is(tmp_path: Path) -> None:
    layouts.road_anomaly21(tmp_path)
    base = tmp_path / 'dataset_AnomalyTrack'
    for name in ('airplane0000', 'zebra0000'):
        layouts.save(base / 'images' / f'{name}.jpg', layouts.picture(1))
    assert len(open_benchmark('road_anomaly21', tmp_path)) == 1
    for name in ('airplane0000', 'zebra0000'):
        assert len(open_benchmark('road_anomaly21', base)) == 1
        mask = base / 'labels_masks' / f'{name}_labels_semantic.png'
        layouts.save(mask, layouts.labels((0, 1)))
        if name == 'airplane0000':
            with pytest.raises(DataError, match=r'zebra0000\.jpg has no label map .*zebra0000_'):
                open_benchmark('road_anomaly21', tmp_path)
            mask.rename(tmp_path / 'kept.png')
    (tmp_path / 'kept.png').rename(base / 'labels_masks' / 'airplane0000_labels_semantic.png')
    validation, whole = open_benchmark('road_anomaly21', tmp_path)
    assert (validation.name, len(validation)) == ('RoadAnomaly21-validation', 2)
    assert (whole.name, len(whole), whole.published) == ('RoadAnomaly21-all', 4, 110)


def test_scenes_of_road_obstacle21(tmp_path: Path) -> None:
    layouts.road_obstacle21(tmp_path)
    base = tmp_path / 'dataset_ObstacleTrack'
    layouts.save(base / 'images/snowstorm2_7.webp', layouts.picture(1))
    for name in ('curvy-street_1', 'driveway_1', 'snowstorm2_7'):
        mask = layouts.labels((0, 1))
        layouts.save(base / 'labels_masks' / f'{name}_labels_semantic.png', mask)
    found = {
        s.name: [i.name.split('/')[1] for i in s] for s in open_benchmark('road_obstacle21', base)
    }
    assert found == {
        'RoadObstacle21-validation': ['validation_1', 'validation_2'],
        'RoadObstacle21-test': ['curvy-street_1'],
        'RoadObstacle21-night': ['driveway_1'],
        'RoadObstacle21-snowstorm': ['snowstorm2_7'],
    }


def test_sets_of_any_name_lie_side_by_side(tmp_path: Path) -> None:
    layouts.road_anomaly_val(tmp_path)
    other = tmp_path / 'my_track'
    layouts.save(other / 'images/a.jpg', layouts.picture(1))
    layouts.save(other / 'labels_masks/a_labels_semantic.png', layouts.labels((0, 1)))
    layouts.save(other / 'labels_masks/a_labels_semantic_color.png', layouts.picture(2))
    sets = open_benchmark('road_anomaly_val', tmp_path)
    assert [s.name for s in sets] == ['FS_LostFound_full', 'RoadAnomaly', 'fs_static', 'my_track']
    assert [s.published for s in sets] == [100, 60, 30, None]
    assert sets[3].items[0].name == 'my_track/a'
    (single,) = open_benchmark('road_anomaly_val', tmp_path / 'RoadAnomaly')
    assert (single.name, set(single.meaning.target)) == ('RoadAnomaly', {0, 2})


def test_a_relative_root_has_its_folder_as_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.folder(tmp_path / 'mine')
    monkeypatch.chdir(tmp_path / 'mine')
    (s,) = open_benchmark('folder', '.')
    assert (s.name, s.items[0].read()[1][0].tolist()) == ('mine', [0, 1, I] * 4)


@pytest.mark.parametrize(
    ('text', 'message'),
    [('normal: [0]\nanomaly: [2]\nvoid: [1]', 'keys normal, anomaly, void, expected'),
     ('normal: [0]', 'the keys normal, expected'),
     ('- 1', 'holds list and no keys'), ('a: [', 'not valid YAML'),
     ('normal: 0\nanomaly: [2]', 'normal is 0, expected a list'),
     ('normal: []\nanomaly: [2]', r'normal is \[\], expected a list'),
     ('normal: [0]\nanomaly: [256]', r'anomaly is \[256\], expected a list of values from 0'),
     ('normal: [0]\nanomaly: [true]', r'anomaly is \[True\]'),
     ('normal: [0, 2]\nanomaly: [2]', 'names the value 2 twice')],
)  # fmt: skip
def test_meanings_that_cannot_be_used_are_refused(tmp_path: Path, text: str, message: str) -> None:
    layouts.folder(tmp_path)
    (tmp_path / 'labels.yaml').write_text(text)
    with pytest.raises(DataError, match=rf'labels\.yaml.*{message}'):
        open_benchmark('folder', tmp_path)


@pytest.mark.shared_data
def test_the_project_data_is_what_its_readme_says(shared_data: Path) -> None:
    anomalies = open_benchmark('road_anomaly_val', shared_data / 'road_anomaly_val')
    assert {s.name: len(s) for s in anomalies} == {
        'FS_LostFound_full': 50, 'RoadAnomaly': 30, 'fs_static': 30,
    }  # fmt: skip
    image, target = anomalies[1].items[0].read()
    assert image.shape == (720, 1280, 3)
    assert np.unique(target).tolist() == [0, 1]
    counts = {
        s.name: len(s)
        for name, folder in (('camvid', 'camvid'), ('cityscapes', 'cityscapes_mini'),
                             ('coco', 'coco128'))
        for s in open_benchmark(name, shared_data / folder)
    }  # fmt: skip
    assert counts == {
        'CamVid-train': 367, 'CamVid-val': 101, 'CamVid-test': 233, 'Cityscapes-train': 12,
        'Cityscapes-val': 17, 'COCO-train2017': 100, 'COCO-val2017': 100,
    }  # fmt: skip
    # The folder that holds a set by the name that the lab's training data has is its root too.
    assert len(open_benchmark('camvid', shared_data)) == 3


@pytest.mark.shared_data
def test_label_ids_and_train_ids_of_real_cityscapes_agree(
    shared_data: Path, tmp_path: Path
) -> None:
    val = shared_data / 'cityscapes_mini' / 'val'
    name = 'frankfurt_000000_000294'
    for source, place in (
        (val / 'images' / f'{name}.webp', f'leftImg8bit/val/frankfurt/{name}_leftImg8bit.webp'),
        (val / 'labelIds' / f'{name}.png', f'gtFine/val/frankfurt/{name}_gtFine_labelIds.png'),
    ):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).symlink_to(source)
    (released,) = open_benchmark('cityscapes', tmp_path)
    small = open_benchmark('cityscapes', val.parent)[1]
    for a, b in zip(released.items[0].read_classes(), small.items[0].read_classes(), strict=True):
        np.testing.assert_array_equal(a, b)
