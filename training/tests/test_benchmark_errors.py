# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What does not belong into a data set: the file is named, nothing is written, exit code 2."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import benchmark_layouts as layouts

from anomaly_seg_training.benchmark import BenchmarkItem, check, open_benchmark
from anomaly_seg_training.data import DataError
from anomaly_seg_training.main import main

DRAWN = 'coco'
WITH_MASKS = sorted(set(layouts.LAYOUTS) - {DRAWN})
EXPECTED = {
    'bdd_anomaly': '0-18, 255', 'camvid': '0-11', 'cityscapes': '0-33',
    'fishyscapes_lost_and_found': '0, 1, 255', 'fishyscapes_static': '0, 1, 255',
    'folder': '7, 9, 100', 'lost_and_found': '0-43', 'road_anomaly': '0-2',
    'road_anomaly21': '0, 1, 255', 'road_anomaly_val': '0, 1, 255', 'road_obstacle21': '0, 1, 255',
    'street_hazards': '1-14',
}  # fmt: skip


@pytest.fixture(params=WITH_MASKS)
def name(request: pytest.FixtureRequest) -> str:
    """A data set with masks."""
    return str(request.param)


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str, Path], str]:
    """Run info, demand exit code 2 without any file, and return the error."""

    def run(name: str, root: Path) -> str:
        out = tmp_path / 'out' / 'info.json'
        code = main(['info', '--dataset', name, '--root', str(root), '--json', str(out)])
        error = capsys.readouterr().err
        assert code == 2
        assert not out.parent.exists()
        assert error.startswith('anomaly-seg-lab: error: ')
        assert error.count('\n') == 1
        assert 'Traceback' not in error
        return error

    return run


def _item(name: str, root: Path) -> BenchmarkItem:
    """Make a data set and return its first item, which the test may spoil."""
    layouts.LAYOUTS[name](root)
    return open_benchmark(name, root)[0].items[0]


def test_an_unknown_id(name: str, tmp_path: Path, refused: Callable[[str, Path], str]) -> None:
    root = tmp_path / name
    item = _item(name, root)
    mask = layouts.labels((77,))
    mask[0] = item.values()[0]
    layouts.save(item.mask_path, mask)
    error = refused(name, root)
    expected = f'{item.mask_path} holds the label values [77] (84 pixels), expected only '
    assert f'{expected}{EXPECTED[name]}' in error


def test_a_mask_of_another_size(
    name: str, tmp_path: Path, refused: Callable[[str, Path], str]
) -> None:
    root = tmp_path / name
    item = _item(name, root)
    layouts.save(item.mask_path, item.values()[:, :-1])
    assert (
        f'{item.image_path}: the image is 12x8 and its label map 11x8, expected equal sizes'
        in refused(name, root)
    )


def test_an_image_without_mask(
    name: str, tmp_path: Path, refused: Callable[[str, Path], str]
) -> None:
    root = tmp_path / name
    item = _item(name, root)
    item.mask_path.unlink()
    if name == 'fishyscapes_lost_and_found':
        # Its images are those of Lost and Found, most of which it does not use.
        assert len(open_benchmark(name, root)[0]) == 1
        return
    error = refused(name, root)
    if name == 'street_hazards':
        assert f'{item.mask_path.parent.parent} holds no image or label map, expected' in error
    elif name == 'fishyscapes_static':
        assert f'_rgb.npz has no label map {item.mask_path}' in error
    else:
        assert f'{item.image_path} has no label map {item.mask_path}' in error


def test_a_mask_without_image(
    name: str, tmp_path: Path, refused: Callable[[str, Path], str]
) -> None:
    root = tmp_path / name
    item = _item(name, root)
    item.image_path.unlink()
    error = refused(name, root)
    if name == 'road_anomaly':
        assert f'frame_list.json lists {item.image_path.name}, but there is no' in error
    elif name == 'street_hazards':
        assert f'{item.image_path.parent.parent} holds no image or label map, expected' in error
    else:
        assert f'the label map {item.mask_path} has no image' in error


def test_a_map_of_16_bits(name: str, tmp_path: Path, refused: Callable[[str, Path], str]) -> None:
    root = tmp_path / name
    item = _item(name, root)
    layouts.save(item.mask_path, item.values().astype(np.uint16))
    error = refused(name, root)
    assert f'{item.mask_path} has shape (8, 12) and type uint16, expected one channel' in error


def test_a_coloured_map(name: str, tmp_path: Path, refused: Callable[[str, Path], str]) -> None:
    root = tmp_path / name
    item = _item(name, root)
    layouts.save(item.mask_path, layouts.picture(1))
    error = refused(name, root)
    assert f'{item.mask_path} has shape (8, 12, 3) and type uint8, expected one channel' in error


def test_a_file_that_is_no_image(
    name: str, tmp_path: Path, refused: Callable[[str, Path], str]
) -> None:
    root = tmp_path / name
    item = _item(name, root)
    item.image_path.write_bytes(item.image_path.read_bytes()[:20])
    error = refused(name, root)
    assert f'{item.image_path} (20 bytes) is not an image that can be decoded' in error


@pytest.mark.parametrize('dataset', sorted(layouts.LAYOUTS))
def test_an_empty_folder(
    dataset: str, tmp_path: Path, refused: Callable[[str, Path], str]
) -> None:
    root = tmp_path / 'empty'
    root.mkdir()
    assert str(root) in refused(dataset, root)
    assert f'{tmp_path / "missing"} is no folder, expected the root of ' in refused(
        dataset, tmp_path / 'missing'
    )


def test_empty_folders_of_images(
    name: str, tmp_path: Path, refused: Callable[[str, Path], str]
) -> None:
    root = tmp_path / name
    layouts.LAYOUTS[name](root)
    for file in sorted(root.rglob('*')):
        if file.suffix in ('.png', '.jpg', '.webp', '.npz'):
            file.unlink()
    error = refused(name, root)
    assert ' holds no image or label map, expected files like ' in error or 'there is no' in error


def test_all_problems_are_shown_and_the_first_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = _item('road_anomaly_val', tmp_path)
    layouts.save(item.mask_path, layouts.labels((3,)))
    other = tmp_path / 'RoadAnomaly' / 'labels_masks' / '2.png'
    layouts.save(other, layouts.labels((1,)))
    assert main(['info', '--dataset', 'road_anomaly_val', '--root', str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out.count('  problem    ') == 2
    assert f'{other} holds the label values [1] (96 pixels), expected only 0, 2' in captured.out
    assert captured.err.rstrip().endswith('(and 1 more of this kind or another)')
    first, second, third = open_benchmark('road_anomaly_val', tmp_path)
    for s in (first, second):
        with pytest.raises(DataError, match=r'holds the label values'):
            check(s)
    assert check(third).images == 2


def test_two_images_of_one_name(tmp_path: Path) -> None:
    item = _item('folder', tmp_path)
    layouts.save(item.image_path.with_suffix('.bmp'), layouts.picture(1))
    with pytest.raises(DataError, match=r'frame0\.bmp and .*frame0\.png have the same name'):
        open_benchmark('folder', tmp_path)


def test_hidden_and_other_files_are_passed_over(tmp_path: Path) -> None:
    item = _item('folder', tmp_path)
    layouts.save(item.image_path.with_name('.frame9.png'), layouts.picture(1))
    item.image_path.with_name('Thumbs.db').write_bytes(b'')
    assert len(open_benchmark('folder', tmp_path)[0]) == 2


def test_masks_need_a_folder(tmp_path: Path) -> None:
    layouts.road_anomaly_val(tmp_path)
    (tmp_path / 'fs_static' / 'labels_masks').rename(tmp_path / 'fs_static' / 'truth')
    with pytest.raises(DataError, match='fs_static holds no folder of masks, expected labels_m'):
        open_benchmark('road_anomaly_val', tmp_path)
    (tmp_path / 'RoadAnomaly' / 'images').rename(tmp_path / 'RoadAnomaly' / 'pictures')
    with pytest.raises(DataError, match='there is no folder .*RoadAnomaly/images'):
        open_benchmark('road_anomaly_val', tmp_path)


@pytest.mark.parametrize(
    ('frames', 'message'),
    [('{', 'is not valid JSON'), ('{"a": 1}', 'expected a list of file names'),
     ('[]', 'expected a list of file names'), ('[1]', 'expected a list of file names'),
     ('["frames/animals01_bear.jpg"]', 'holds cones06_road, which .* does not list')],
)  # fmt: skip
def test_lists_of_frames(tmp_path: Path, frames: str, message: str) -> None:
    layouts.road_anomaly(tmp_path)
    (tmp_path / 'RoadAnomaly_jpg' / 'frame_list.json').write_text(frames)
    with pytest.raises(DataError, match=message):
        open_benchmark('road_anomaly', tmp_path)


def test_names_of_fishyscapes_say_which_image_is_meant(tmp_path: Path) -> None:
    item = _item('fishyscapes_lost_and_found', tmp_path)
    item.mask_path.rename(item.mask_path.with_name('7_labels.png'))
    with pytest.raises(DataError, match=r'7_labels\.png is not named like 0000_PLACE_'):
        open_benchmark('fishyscapes_lost_and_found', tmp_path)


def _spoil(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        file = root / 'annotations' / 'instances_val2017.json'
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return spoil


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [(_spoil(lambda c: c['annotations'][0].update(category_id=91)),
      r'instances_val2017.json holds the category ids [91], expected those of COCO 2017'),
     (_spoil(lambda c: c['annotations'][0].update(category_id=12)), 'category ids [12]'),
     (_spoil(lambda c: c['annotations'][0].update(image_id=5)), "not in the format of COCO's"),
     (_spoil(lambda c: c.pop('images')), "not in the format of COCO's"),
     (_spoil(lambda c: c['images'][0].pop('height')), 'no height and width of 000000000001.jpg'),
     (_spoil(lambda c: c['images'][1].update(height=9, width=11)),
      '000000000002.jpg: the image is 12x8 and its label map 11x9'),
     (_spoil(lambda c: c['annotations'][2]['segmentation'].update(counts=[1])),
      'image 000000000001.jpg: an object is not in the format of COCO'),
     (_spoil(lambda c: c['annotations'][2]['segmentation'].update(counts='Ub0')),
      'image 000000000001.jpg: an object is not in the format of COCO'),
     (_spoil(lambda c: c['annotations'][0].update(segmentation=[[1, 2, 3]])),
      'image 000000000001.jpg: an object is not in the format of COCO'),
     (lambda root: (root / 'val2017' / '000000000002.jpg').unlink(),
      'describes 000000000002.jpg, which is not in'),
     (lambda root: shutil.rmtree(root / 'val2017'), 'there is no folder')],
)  # fmt: skip
def test_annotations_of_coco(
    tmp_path: Path,
    refused: Callable[[str, Path], str],
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    root = tmp_path / 'coco'
    layouts.coco(root)
    spoil(root)
    assert message in refused('coco', root)
