# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``detect``: pictures in, files out, and figures where there is ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.tiny_bundle import stripes

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.cli.main import main
from anomaly_seg_ros.images import read_image, read_label_map

pytest.importorskip('onnxruntime')

SKY, ROAD = CITYSCAPES.names.index('sky'), CITYSCAPES.names.index('road')


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures with ground truth: sky, vegetation, road, and an unknown on half the road."""
    root = tmp_path / 'set'
    for name, unknown in (('a', True), ('b', False)):
        save(root / 'images' / f'{name}.png', stripes(unknown=unknown))
        labels = np.zeros((32, 64), np.uint8)
        labels[:10], labels[10:21], labels[21:] = SKY, CITYSCAPES.names.index('vegetation'), ROAD
        truth = np.zeros((32, 64), np.uint8)
        if unknown:
            labels[21:, 32:], truth[21:, 32:] = 255, 1
        save(root / 'trainIds' / f'{name}.png', labels)
        save(root / 'labels_masks' / f'{name}.png', truth)
    return root


def detect(*words: object) -> int:
    return main(['detect', *map(str, words), '--threads', '1'])


def test_files_and_figures(
    folder: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    assert detect(folder, '--bundle', tiny_bundle, '--out', out) == 0
    labels, mask = read_label_map(out / 'labels/a.png'), read_label_map(out / 'mask/a.png')
    score = np.load(out / 'score' / 'a.npy')
    assert score.dtype == np.float32
    assert labels.shape == mask.shape == score.shape == (32, 64)
    assert (labels[4, 30], labels[28, 10]) == (SKY, ROAD)
    assert set(np.unique(mask)) == {0, 255}
    assert mask[28, 50] == 255
    assert mask[28, 10] == 0
    assert read_label_map(out / 'mask/b.png').max() == 0
    assert read_image(out / 'overlay/a.png').shape == (32, 64, 3)
    assert not (out / 'overlay.mp4').exists()
    summary = json.loads((out / 'summary.json').read_text())
    assert [frame['name'] for frame in summary['frames']] == ['a', 'b']
    assert summary['frames'][0]['anomalous_share'] == pytest.approx(np.mean(mask == 255))
    assert summary['frames'][1]['anomalous_share'] == 0
    # Boundaries give a fourth class, which is in no ground truth and counts as zero.
    assert summary['miou'] > 0.65
    assert summary['auroc'] > 0.95
    assert summary['threshold'] == 8.0
    text = capsys.readouterr().out
    assert '2 frames' in text
    assert 'AUROC' in text


def test_only_the_results_asked_for(folder: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    words = [folder, '--bundle', tiny_bundle, '--out', out, '--results', 'labels,video']
    assert detect(*words) == 0
    assert {p.name for p in out.iterdir()} == {'labels', 'overlay.mp4', 'summary.json'}
    video = cv2.VideoCapture(str(out / 'overlay.mp4'))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 2


def test_another_score_has_no_threshold(
    folder: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [folder, '--bundle', tiny_bundle, '--score', 'entropy', '--out', tmp_path / 'out']
    assert detect(*words) == 0
    assert not (tmp_path / 'out' / 'mask').exists()
    assert 'no mask: the bundle has no threshold for this score' in capsys.readouterr().out
    assert detect(*words, '--threshold', '0.5') == 0
    assert (tmp_path / 'out' / 'mask' / 'a.png').exists()


def test_masks_are_cleaned_as_asked(folder: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    def share(*words: object) -> list[float]:
        out = tmp_path / 'out'
        assert detect(folder, '--bundle', tiny_bundle, '--out', out, *words) == 0
        summary = json.loads((out / 'summary.json').read_text())
        assert summary['refinement'] == 'none'
        return [frame['anomalous_share'] for frame in summary['frames']]

    plain, _ = share()
    assert plain > 0
    assert share('--hysteresis', '0.9')[0] > plain
    assert share('--min-area', '2000') == [0, 0]
    # Only the first of the two pictures has something unknown.
    assert share('--persistence', '2/2') == [0, 0]
    assert share('--persistence', '1/2', '--refinement', 'none') == [plain, 0]


def test_equal_names_do_not_overwrite(tiny_bundle: Path, tmp_path: Path) -> None:
    save(tmp_path / 'in' / 'x.png', stripes())
    save(tmp_path / 'in' / 'x.bmp', stripes(unknown=False))
    out = tmp_path / 'out'
    assert detect(tmp_path / 'in', '--bundle', tiny_bundle, '--out', out) == 0
    assert {p.name for p in (out / 'mask').iterdir()} == {'x.png', 'x-2.png'}


def test_one_image_and_the_generator(tiny_bundle: Path, tmp_path: Path) -> None:
    image = save(tmp_path / 'one.png', stripes(100, 50))
    assert detect(image, '--bundle', tiny_bundle, '--out', tmp_path / 'a') == 0
    assert read_label_map(tmp_path / 'a/labels/one.png').shape == (50, 100)
    words = ['synthetic', '--frames', 2, '--bundle', tiny_bundle, '--out', tmp_path / 'b']
    assert detect(*words) == 0
    summary = json.loads((tmp_path / 'b/summary.json').read_text())
    assert len(summary['frames']) == 2
    assert summary['miou'] is not None


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['/nowhere'], '/nowhere does not exist'),
        (['synthetic', '--results', 'labels,magic'], "received the result 'magic', expected some"),
        (['synthetic', '--score', 'magic'], "has no score 'magic'"),
        (['synthetic', '--refinement', 'vde'], "has no refinement 'vde', expected one of: none"),
        (['synthetic', '--threshold', 'inf'], 'received the threshold inf'),
        (['synthetic', '--min-area', '-1'], 'received the min_area -1'),
        (['synthetic', '--bundle', '/nowhere'], 'there is no bundle /nowhere'),
        (['synthetic', '--frames', '0'], 'received 0 frames'),
    ],
)
def test_mistakes_are_explained(
    words: list[str],
    message: str,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = [] if '--bundle' in words else ['--bundle', tiny_bundle]
    assert detect(*words, *bundle, '--out', tmp_path / 'out') == 2
    error = capsys.readouterr().err
    assert f'anomaly-seg: error: {message}' in error or message in error
    assert 'Traceback' not in error
    assert not (tmp_path / 'out').exists()


def test_corrupt_image_is_named(
    folder: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = folder / 'images' / 'b.png'
    broken.write_bytes(broken.read_bytes()[:40])
    assert detect(folder, '--bundle', tiny_bundle, '--out', tmp_path / 'out') == 2
    assert 'b.png' in capsys.readouterr().err
