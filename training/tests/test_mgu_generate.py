# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``generate mgu``: shards and manifest, any end and its resumption, errors, the reader."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.tiny_networks import STREETNET

from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import READERS
from anomaly_seg_training.dataset import Crops, Source
from anomaly_seg_training.finetune.dataset import MixedCrops
from anomaly_seg_training.main import main
from anomaly_seg_training.mgu.errors import MguError
from anomaly_seg_training.mgu.shards import FLIPPED, NOT, read_index, read_items, shards
from anomaly_seg_training.proxies import MaxEnt, MaxEntConfig, Proxy

Command = Callable[..., int]

KILLED = """
import os, signal, sys
from anomaly_seg_training.main import main
from anomaly_seg_training.mgu import generate as generating
from anomaly_seg_training.mgu.shards import shards

real = generating.write_shard

def killed(path, *rest):
    if len(shards(path.parent)) == 2:
        (path.parent / '.shard-half.zip').write_bytes(b'PK')
        os.kill(os.getpid(), signal.SIGKILL)
    real(path, *rest)

generating.write_shard = killed
main([*sys.argv[1:], '--reader-option', 'step=2'])
"""


@pytest.fixture(scope='module')
def command(data: Path, streetnet_weights: Path) -> Command:
    """Generate from frames without labels: what the network sees itself is its label."""

    def run(out: Path, *more: str, source: str = 'video') -> int:
        return main([*_words(data, streetnet_weights, out, source), *more])

    return run


def _words(data: Path, weights: Path, out: Path, source: str = 'video') -> list[str]:
    options = [word for key, value in STREETNET.items() for word in ('--option', f'{key}={value}')]
    return [
        'generate', 'mgu', '--checkpoint', str(weights), '--segmenter', 'streetnet', *options,
        '--data', str(data), '--source', source, '--size', '96x64', '--pseudo-labels', '0.05',
        '--per-class', '3', '--min-pixels', '30', '--iterations', '4', '--step', '6',
        '--batch', '2', '--out', str(out), '--threads', '1', '--device', 'cpu',
    ]  # fmt: skip


@pytest.fixture(scope='module')
def whole(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unbroken generation."""
    out = tmp_path_factory.mktemp('whole')
    assert command(out, '--sheet', str(out / 'sheet.png'), '--reader-option', 'step=2') == 0
    return out


def _items(folder: Path) -> dict[tuple[int, str], np.ndarray]:
    found = {}
    for path in shards(folder):
        for item in read_items(path):
            key = (item.record.label, item.record.name)
            assert key not in found, 'an image is there twice'
            found[key] = item.image
    return found


def _manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / 'manifest.json').read_text('utf-8'))
    return content


def test_the_manifest_says_what_is_there(whole: Path) -> None:
    manifest = _manifest(whole)
    items = [item for path in shards(whole) for item in read_items(path)]
    assert manifest['shards'] == len(shards(whole))
    assert manifest['images'] == len(items) > 3
    assert manifest['frames'] == 3
    for name, figures in manifest['per_class'].items():
        own = [i for i in items if manifest['classes'][i.record.label] == name]
        assert 1 <= figures['images'] == len(own) <= 3
        flipped = sum(int((i.region == FLIPPED).sum()) for i in own)
        right = sum(i.record.right for i in own)
        assert figures['kept'] == pytest.approx(flipped / right, abs=1e-5)
    assert manifest['all']['flipped'] > 0.3
    assert manifest['provenance']['seed'] == 0
    absent = set(manifest['classes']) - set(manifest['per_class'])
    assert absent
    assert {note.split(':')[0] for note in manifest['notes']} >= absent


def test_images_differ_in_their_region_alone(whole: Path, data: Path) -> None:
    frames = {e.name: e.image for e in READERS.get('video')(data, step=2)}
    for path in shards(whole):
        for item in read_items(path):
            frame = cv2.resize(
                frames[item.record.name], (96, 64), interpolation=cv2.INTER_AREA
            ).astype(int)  # fmt: skip
            moved = (item.image != frame).any(2)
            assert moved.any()
            assert not (moved & (item.region == NOT)).any()
            assert set(np.unique(item.labels[item.region != NOT])) == {item.record.label}
            assert int(np.abs(item.image - frame).max()) == item.record.l_inf


def test_the_page_shows_one_row_for_each_class(whole: Path) -> None:
    page = cv2.imread(str(whole / 'sheet.png'))
    rows = len(_manifest(whole)['per_class'])
    assert page.shape[1] > 5 * 300
    assert page.shape[0] > rows * 200


def test_the_batch_changes_nothing(whole: Path, command: Command, tmp_path: Path) -> None:
    assert command(tmp_path, '--batch', '5', '--reader-option', 'step=2') == 0
    first, second = _items(whole), _items(tmp_path)
    assert first.keys() == second.keys()
    assert len(shards(tmp_path)) < len(shards(whole))
    same = [np.abs(first[key].astype(int) - second[key]).max() <= 1 for key in first]
    assert np.mean(same) > 0.9


def test_a_killed_run_goes_on_with_what_it_has(
    whole: Path, command: Command, data: Path, streetnet_weights: Path, tmp_path: Path
) -> None:
    """Killed by SIGKILL while the third shard is being written."""
    words = [sys.executable, '-c', KILLED, *_words(data, streetnet_weights, tmp_path)]
    ended = subprocess.run(words, capture_output=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    kept = {path.name: path.read_bytes() for path in shards(tmp_path)}
    assert len(kept) == 2
    assert not (tmp_path / 'manifest.json').exists()
    with pytest.raises(MguError, match='run `generate mgu` to its end first'):
        next(iter(READERS.get('mgu')(tmp_path.parent, path=tmp_path.name)))
    assert command(tmp_path, '--reader-option', 'step=2') == 0
    assert all((tmp_path / name).read_bytes() == content for name, content in kept.items())
    first, second = _items(whole), _items(tmp_path)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert _manifest(tmp_path)['resumed'] == sum(len(read_index(tmp_path / n).items) for n in kept)
    assert _manifest(tmp_path)['per_class'] == _manifest(whole)['per_class']


def test_a_full_disk_is_a_clear_end(
    whole: Path, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system refuses files beyond a size, between those of the shards."""
    sizes = [path.stat().st_size for path in shards(whole)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(max(sizes), sizes[-1] + 1) - 1, hard))
    try:
        assert command(tmp_path, '--reader-option', 'step=2') == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = capsys.readouterr().err
    assert 'cannot write' in error
    assert 'free space there and run the same command again' in error
    assert not [path for path in tmp_path.iterdir() if path.name.startswith('.')]
    assert command(tmp_path, '--reader-option', 'step=2') == 0
    assert _items(tmp_path).keys() == _items(whole).keys()


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--classes', 'cat'], "received the class 'cat', expected some of: road,"),
        (['--min-pixels', '9999'], 'has 9999 pixels of any class; there is'),
        (['--reader-option', 'colour=1'], '--reader-option: '),
        (['--rule', 'adam'], "'rule': received 'adam'"),
        (['--per-class', '0'], 'received --per-class 0, expected at least 1'),
        (['--bundle', 'default'], 'expected one segmenter'),
        (['--sheet', 'page.txt'], 'expected a name that ends in .png'),
    ],
)
def test_mistakes_are_one_clear_sentence(
    command: Command, tmp_path: Path, more: list[str], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert command(tmp_path / 'out', *more) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1
    assert not shards(tmp_path / 'out')


def test_a_class_that_is_absent_is_named(
    command: Command, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = _manifest(whole)
    absent = next(n for n in manifest['classes'] if n not in manifest['per_class'])
    assert command(tmp_path, '--classes', absent, '--reader-option', 'step=2') == 2
    error = capsys.readouterr().err
    assert f'30 pixels of {absent}; there is' in error


def test_frames_in_which_nothing_is_right_are_counted_and_named(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The untrained network sees no road where CamVid's labels have one."""
    assert command(tmp_path, '--classes', 'road', source='camvid') == 2
    assert 'in none of them is a pixel of its class right' in capsys.readouterr().err
    rejected = [entry for path in shards(tmp_path) for entry in read_index(path).rejected]
    assert len(rejected) == len({name for name, _, _ in rejected}) == 9
    # Asking again computes nothing again.
    before = len(shards(tmp_path))
    assert command(tmp_path, '--classes', 'road', source='camvid') == 2
    assert len(shards(tmp_path)) == before


def test_other_settings_do_not_mix(
    command: Command, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(whole, '--seed', '3', '--reader-option', 'step=2') == 2
    assert 'was begun with another seed: go on with the same command' in capsys.readouterr().err


def test_a_damaged_shard_is_named(whole: Path, tmp_path: Path) -> None:
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = shards(tmp_path)[0]
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(MguError, match='shard-00000.zip is no shard of generated images'):
        list(READERS.get('mgu')(tmp_path.parent, path=tmp_path.name))
    with zipfile.ZipFile(broken, 'w') as archive:
        archive.writestr('index.json', '[1]')
    with pytest.raises(MguError, match='is no shard'):
        list(READERS.get('mgu')(tmp_path.parent, path=tmp_path.name))


def test_the_reader_marks_what_is_unknown(whole: Path) -> None:
    place = {'path': whole.name}
    region = list(READERS.get('mgu')(whole.parent, **place))
    flipped = list(READERS.get('mgu')(whole.parent, unknown='flipped', **place))
    assert len(region) == _manifest(whole)['images']
    for one, two in zip(region, flipped, strict=True):
        assert one.unknown is not None
        assert two.unknown is not None
        assert one.labels is not None
        assert not (two.unknown & ~one.unknown).any()
        assert set(np.unique(one.labels[one.unknown])) == {255}
        assert one.exact
    assert sum(e.unknown.sum() for e in flipped) < sum(e.unknown.sum() for e in region)  # type: ignore[union-attr]
    assert len(list(READERS.get('mgu')(whole.parent, step=2, **place))) == -(-len(region) // 2)


def test_crops_keep_pixels_and_marks(whole: Path) -> None:
    """No resampling, no mirror: every crop is found in its image, marks at the same place."""
    examples = list(READERS.get('mgu')(whole.parent, path=whole.name))
    sources = {'mgu': Source(examples, [None] * len(examples), 1.0)}
    crops = Crops(sources, Size(32, 32), (0.5, 2.0), 0.5, 20, 0, 0, 0, distorted=True)
    for index in range(len(crops)):
        cut = crops.cut(index)
        whole_image, size = cut.example.image, cut.example.image.shape
        row, column = round(cut.box.top * size[0]), round(cut.box.left * size[1])
        place = slice(row, row + 32), slice(column, column + 32)
        assert np.array_equal(cut.image, whole_image[place])
        assert cut.example.unknown is not None
        assert np.array_equal(cut.unknown, cut.example.unknown[place])


def test_pasted_objects_and_generated_regions_are_both_unknown(whole: Path) -> None:
    """A photograph that takes the scene's place takes its marks along."""
    examples = list(READERS.get('mgu')(whole.parent, path=whole.name))
    sources = {'mgu': Source(examples, [None] * len(examples), 1.0)}
    crops = Crops(sources, Size(64, 64), (1.0, 1.0), 0.0, 12, 0, 0, 0)
    mask = np.zeros((64, 64), np.uint8)
    mask[:8] = 1
    photograph = Proxy(np.full((64, 64, 3), 9, np.uint8), mask)
    mixed = MixedCrops(crops, MaxEnt([photograph], MaxEntConfig(probability=0.5)))
    kinds = set()
    for index in range(len(crops)):
        item, cut = mixed[index], crops.cut(index)
        replaced = bool((item['image'] == 9).all())
        kinds.add(replaced)
        expected = mask > 0 if replaced else cut.unknown
        assert np.array_equal(item['ood'].numpy(), expected)
        assert bool((item['labels'][item['ood']] == 255).all())
        assert int(item['labels'].max()) in (*range(19), 255)
        assert not bool((item['held'] & item['ood']).any())
    assert kinds == {True, False}
