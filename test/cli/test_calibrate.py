# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``calibrate``: a folder of pictures in, a card with thresholds out; what stays untouched."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.tiny_bundle import build_tiny_bundle, stripes

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.cli.main import main
from anomaly_seg_ros.refinement import Shrinkage

pytest.importorskip('onnxruntime')

FRAMES = 60


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy pictures of sky, vegetation and road without anything unknown."""
    folder = tmp_path_factory.mktemp('drive')
    rng = np.random.default_rng(0)
    for index in range(FRAMES):
        noisy = stripes(unknown=False) + rng.normal(0, 12, (32, 64, 3))
        image = np.clip(noisy, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f'{index:03d}.png'), image[..., ::-1])
    return folder


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(tiny_bundle, tmp_path / 'bundle')


def calibrate(*words: object) -> int:
    return main(['calibrate', *map(str, words), '--threads', '1'])


def test_in_place(
    drive: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Bundle.open(bundle).card
    words = [drive, '--bundle', bundle, '--false-positive-rate', 0.01]
    assert calibrate(*words, '--json', tmp_path / 'found.json') == 0
    after = Bundle.open(bundle).card
    entry = after.calibration[before.output]
    assert after.threshold is not None
    assert after.threshold.value == entry['threshold'] != 8.0
    assert (entry['frames'], entry['statistics_frames']) == (45, 15)
    # Bundles are handed on; where somebody keeps files is nobody's business.
    assert entry['source'] == f'60 images of {drive.name}'
    assert str(drive.parent) not in (bundle / 'card.json').read_text()
    assert set(after.statistics or {}) == set(before.scores)
    assert after.hashes == before.hashes
    report = json.loads((tmp_path / 'found.json').read_text())
    assert report['outputs'] == after.calibration
    assert report['engine'] == 'onnxruntime'
    assert report['seconds'] > 0
    text = capsys.readouterr().out
    assert 'at most 0.01 of normal pixels, from 45 frames' in text
    assert 'Waudby-Smith' in text
    # The same drive finds at most so many anomalous pixels with it.
    assert main(['detect', str(drive), '--bundle', str(bundle), '--out', str(tmp_path / 'd')]) == 0
    summary = json.loads((tmp_path / 'd/summary.json').read_text())
    assert np.mean([frame['anomalous_share'] for frame in summary['frames']]) <= 0.01


def test_refinements_can_be_used_after_calibration(
    drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('onnxscript')
    names = ('none', 'sml', 'sml+suppress+smooth+vde')
    scores = ('max_logit', 'entropy')
    bundle = build_tiny_bundle(tmp_path / 'refined', scores=scores, refinements=names)
    detect = ['detect', str(drive), '--bundle', str(bundle), '--out', str(tmp_path / 'd')]
    assert main([*detect, '--refinement', 'sml']) == 2
    assert 'run anomaly-seg calibrate' in capsys.readouterr().err
    assert calibrate(drive, '--bundle', bundle, '--false-positive-rate', 0.02) == 0
    card = Bundle.open(bundle).card
    assert set(card.calibration) == {'max_logit', 'max_logit+sml', f'max_logit+{names[2]}'}
    for name in names:
        words = [*detect, '--refinement', name, '--results', 'mask', '--threads', '1']
        assert main(words) == 0
        summary = json.loads((tmp_path / 'd/summary.json').read_text())
        shares = [frame['anomalous_share'] for frame in summary['frames']]
        assert 0 < np.mean(shares[15:]) <= 0.02


def test_statistics_are_drawn_together_when_asked_to(drive: Path, bundle: Path) -> None:
    words = [drive, '--bundle', bundle, '--false-positive-rate', 0.01]
    assert calibrate(*words, '--shrinkage', 0.5, 0.75) == 0
    assert Bundle.open(bundle).card.shrinkage == Shrinkage(0.5, 0.75)
    assert calibrate(*words) == 0
    assert Bundle.open(bundle).card.shrinkage == Shrinkage(0.5, 0.75)
    assert calibrate(*words, '--shrinkage', 0, 0) == 0
    assert not Bundle.open(bundle).card.shrinkage


def test_a_calibrated_copy(drive: Path, bundle: Path, tmp_path: Path) -> None:
    card = (bundle / 'card.json').read_bytes()
    out = tmp_path / 'copy'
    words = [drive, '--bundle', bundle, '--false-positive-rate', 0.01, '--out', out]
    assert calibrate(*words, '--score', 'energy,entropy', '--guarantee', 'expectation') == 0
    assert (bundle / 'card.json').read_bytes() == card
    copy = Bundle.open(out).card
    assert {'energy', 'entropy'} <= set(copy.calibration)
    assert 'max_logit' not in copy.calibration
    assert 'Conformal' in copy.calibration['energy']['method'].title()


def test_frame_level_with_clean_up(drive: Path, bundle: Path) -> None:
    words = [drive, '--bundle', bundle, '--false-positive-rate', 0.1, '--level', 'frame']
    assert calibrate(*words, '--min-area', 4, '--hysteresis', 0.1) == 0
    entry = Bundle.open(bundle).card.calibration['max_logit']
    assert entry['cleanup'] == {'hysteresis': 0.1, 'min_area': 4}
    assert entry['level'] == 'frame'
    assert entry['measured'] <= 0.1


def test_the_generator_with_unknown_objects(bundle: Path) -> None:
    words = ['synthetic', '--frames', 56, '--bundle', bundle, '--false-positive-rate', 0.2]
    assert calibrate(*words) == 0
    entry = Bundle.open(bundle).card.calibration['max_logit']
    assert 'synthetic clip' in entry['source']


def test_without_pytorch(drive: Path, bundle: Path) -> None:
    words = ['calibrate', str(drive), '--bundle', str(bundle), '--false-positive-rate', '0.01']
    code = (
        'import sys; sys.modules["torch"] = None; sys.modules["rclpy"] = None\n'
        f'from anomaly_seg_ros.cli.main import main; sys.exit(main({words!r}))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--false-positive-rate', '0'], 'false-positive rate 0.0, expected a share above 0'),
        (['--false-positive-rate', '1'], 'false-positive rate 1.0'),
        (['--score', 'magic'], "no score 'magic', expected some of: max_softmax, entropy"),
        (['--refinement', 'magic'], "no refinement 'magic', expected some of: none"),
        (['--frames', '9'], '7 frames are left .* at least 37: add frames'),
        (['--level', 'frame'], '45 frames are left .* at the level frame .* at least 299'),
        (['--every', '0'], 'every 0 frames'),
        (['--shrinkage', '0.5', '2'], 'the shrinkage 2.0 of the std, expected 0 to 1'),
        (['--hysteresis', '1'], 'hysteresis 1.0, expected a share'),
        (['--min-area', '-1'], 'min_area -1'),
        (['--out', __file__], 'exists and is no bundle'),
        (['--engine', 'magic'], "engine 'magic'"),
        (['--bundle', 'default'], r'belongs to all its users .*: pass --out DIR'),
    ],
)
def test_errors(
    drive: Path,
    bundle: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    card = (bundle / 'card.json').read_bytes()
    usual = ['--bundle', bundle, '--false-positive-rate', '0.01']
    assert calibrate(drive, *usual, *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('anomaly-seg: error: ')
    assert re.search(message, error)
    assert (bundle / 'card.json').read_bytes() == card


def test_a_source_without_frames(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ['--bundle', bundle, '--false-positive-rate', '0.01']
    (tmp_path / 'empty').mkdir()
    assert calibrate(tmp_path / 'empty', *words) == 2
    assert 'holds no images' in capsys.readouterr().err
    assert calibrate(tmp_path / 'nothing', *words) == 2
    assert 'does not exist' in capsys.readouterr().err


def test_a_bundle_that_cannot_be_written(
    drive: Path,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Permissions do not stop root, who runs tests in containers.
    access = os.access
    monkeypatch.setattr(
        os, 'access', lambda path, mode: Path(path) != bundle and access(path, mode)
    )
    assert calibrate(drive, '--bundle', bundle, '--false-positive-rate', '0.01') == 2
    assert 'cannot be written: pass --out DIR' in capsys.readouterr().err


def test_a_disk_that_fills_up_leaves_the_card(
    drive: Path,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    card = (bundle / 'card.json').read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'replace', full)
    assert calibrate(drive, '--bundle', bundle, '--false-positive-rate', '0.01') == 2
    assert 'No space left on device' in capsys.readouterr().err
    monkeypatch.undo()
    assert (bundle / 'card.json').read_bytes() == card
    assert {p.name for p in bundle.iterdir()} == {'card.json', 'detector.onnx'}
