# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of refinements: against the detector and scikit-learn, resumed, and as Markdown."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from anomaly_seg_ros.bundle import Preprocessing
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.detector import Detector
from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_ros.refinement import REFINEMENTS_DEFAULT, split_output
from anomaly_seg_ros.refinement.statistics import statistics_table
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip
from anomaly_seg_training import maps as maps_module
from anomaly_seg_training.data import anomaly
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fusing import sample_pixels, tail_tables
from anomaly_seg_training.main import main
from anomaly_seg_training.maps import ScoreMaps
from anomaly_seg_training.refinement_markdown import markdown
from anomaly_seg_training.refining import Refiner, take_statistics
from anomaly_seg_training.resizing import fit_image

Save = Callable[[Path, np.ndarray], None]
SCORES = ('max_logit', 'entropy')
OPTIONS = {
    'num_classes': 19,
    'widths': [8, 8, 16, 16],
    'depths': [1, 1, 1, 1],
    'neck': 8,
    'head': 8,
}
PLAIN = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def small_segmenter() -> torch.nn.Module:
    torch.manual_seed(1)
    segmenter = create_segmenter('streetnet', **OPTIONS).eval()
    # Fresh weights give nearly constant logits; spread them over the picture as trained ones.
    weight, bias = segmenter.classifier.weight, segmenter.classifier.bias
    example = torch.randn(1, 3, 64, 128)
    with torch.no_grad():
        weight.mul_(4 / segmenter(example).std((2, 3)).mean())
        bias -= segmenter(example).mean((0, 2, 3))
    return segmenter


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small network."""
    path = tmp_path_factory.mktemp('weights') / 'small.pth'
    torch.save(small_segmenter().state_dict(), path)
    return path


@pytest.fixture(scope='module')
def scenes(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data sets of `data`, three frames of two anomaly sets, and one COCO object."""
    root = tmp_path_factory.mktemp('scenes') / 'data'
    shutil.copytree(data, root)
    clip = StreetClip(SceneConfig(size=Size(256, 128), seed=9, frames=3, unknown_objects=12))
    for name, value in (('FS_LostFound_full', 1), ('RoadAnomaly', 2)):
        folder = root / 'road_anomaly_val' / name
        for kind in ('images', 'labels_masks'):
            (folder / kind).mkdir(parents=True)
        for number, frame in enumerate(clip):
            mask = np.where(frame.anomaly == 1, value, 0).astype(np.uint8)
            mask[:20, :20] = value
            cv2.imwrite(str(folder / 'images' / f'{number}.png'), frame.image[..., ::-1])
            cv2.imwrite(str(folder / 'labels_masks' / f'{number}.png'), mask)
    photograph = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    cv2.imwrite(str(root / 'coco128' / 'images' / 'train2017' / 'cow.png'), photograph)
    square = [[20.0, 10.0, 80.0, 10.0, 80.0, 70.0, 20.0, 70.0]]
    item = {'image_id': 1, 'category_id': 21, 'segmentation': square, 'area': 3600.0}
    content = {'images': [{'id': 1, 'file_name': 'cow.png'}], 'annotations': [item]}
    (root / 'coco128' / 'annotations').mkdir(exist_ok=True)
    file = root / 'coco128' / 'annotations' / 'instances_train2017.json'
    file.write_text(json.dumps(content))
    return root


def arguments(scenes: Path, checkpoint: Path, out: Path, *more: str) -> list[str]:
    options = [f'{key}={json.dumps(value)}' for key, value in OPTIONS.items()]
    return [
        'tables', 'refinements', '--data', str(scenes), '--checkpoint', str(checkpoint),
        '--segmenter', 'streetnet', *(w for o in options for w in ('--option', o)),
        '--sets', 'FS_LostFound_full,RoadAnomaly', '--scores', ','.join(SCORES),
        '--threads', '1', '--out', str(out), *more,
    ]  # fmt: skip


@pytest.fixture(scope='module')
def table(
    scenes: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp('table') / 'refinements.json'
    sizes = ('--sizes', 'native,128x64', '--flip', '128x64')
    assert main(arguments(scenes, checkpoint, out, *sizes)) == 0
    return out, json.loads(out.read_text('utf-8'))


def find(content: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    (row,) = (r for r in content['results'] if wanted.items() <= r.items())
    return row


def test_has_a_row_for_everything(table: tuple[Path, dict[str, Any]]) -> None:
    _, content = table
    rows = {
        (r['resolution'], r['passes'], r['set'], r['score'], r['refinement'])
        for r in content['results']
    }
    assert len(rows) == len(content['results'])
    settings = (('native', 'plain'), ('128x64', 'plain'), ('128x64', 'flip'))
    sets = ('FS_LostFound_full', 'RoadAnomaly')
    fused = [(f'fused_{m}', r) for m in ('mean_log', 'stouffer') for r in
             (REFINEMENTS_DEFAULT[0], REFINEMENTS_DEFAULT[-1])]  # fmt: skip
    columns = [
        *itertools.product(SCORES, REFINEMENTS_DEFAULT),
        *fused,
        ('fused_logistic', 'mixed'),
    ]
    expected = {
        (*setting, name, *column)
        for setting, name, column in itertools.product(settings, sets, columns)
    }
    assert rows == expected
    assert all(r['images'] == 3 and 0 <= r['ap'] <= 1 for r in content['results'])
    assert find(content, resolution='native', set='RoadAnomaly', score='entropy',
                refinement='sml')['size'] == '256x128'  # fmt: skip
    assert content['provenance']['seed'] == 0
    assert content['provenance']['command']


@pytest.mark.parametrize('refinement', REFINEMENTS_DEFAULT)
def test_figures_are_those_of_the_detector(
    table: tuple[Path, dict[str, Any]], scenes: Path, refinement: str
) -> None:
    _, content = table
    detector = Detector(
        small_segmenter(), PLAIN, Size(256, 128), SCORES, REFINEMENTS_DEFAULT, CITYSCAPES.drivable
    ).eval()
    statistics = content['fitted']['256x128 plain']['statistics']
    rows = torch.from_numpy(statistics_table(statistics, SCORES, 19))
    output = 'max_logit' if refinement == 'none' else f'max_logit+{refinement}'
    values, targets = [], []
    for example in anomaly.read(scenes, 'RoadAnomaly'):
        with torch.inference_mode():
            found = detector.run(torch.from_numpy(example.image)[None], (output,), rows)
        values.append(found[output].numpy().ravel())
        targets.append(example.target.ravel())
    expected = average_precision_score(np.concatenate(targets), np.concatenate(values))
    row = find(content, resolution='native', set='RoadAnomaly', score='max_logit',
               refinement=refinement)  # fmt: skip
    assert row['ap'] == pytest.approx(expected, abs=1e-6)


def test_statistics_are_those_of_all_predicted_pixels(
    table: tuple[Path, dict[str, Any]], scenes: Path
) -> None:
    from anomaly_seg_training.data import camvid, cityscapes

    _, content = table
    detector = Detector(small_segmenter(), PLAIN, Size(128, 64), SCORES).eval()
    values, labels = [], []
    examples = (
        *cityscapes.read(scenes, split='train'),
        *camvid.read(scenes, splits=('train',), step=30),
    )
    for example in examples:
        image = torch.from_numpy(fit_image(example.image, Size(128, 64)))[None]
        with torch.inference_mode():
            found = detector.run(image, ('labels', 'max_logit'))
        values.append(found['max_logit'].numpy().ravel())
        labels.append(found['labels'].numpy().ravel())
    score, label = np.concatenate(values).astype(np.float64), np.concatenate(labels)
    stored = content['fitted']['128x64 plain']['statistics']['max_logit']
    present = [c for c in range(19) if (label == c).sum() > 50]
    assert len(present) > 1
    for c in present:
        assert stored['count'][c] == (label == c).sum()
        assert stored['mean'][c] == pytest.approx(score[label == c].mean(), rel=1e-5)
        assert stored['std'][c] == pytest.approx(score[label == c].std(ddof=1), rel=1e-4)


def test_a_killed_run_continues(
    scenes: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = tmp_path / 'whole.json', tmp_path / 'killed.json'
    size = ('--sizes', '128x64')
    assert main(arguments(scenes, checkpoint, whole, *size)) == 0
    runs: list[str] = []
    limits: list[float] = []
    real = ScoreMaps._run

    def count(self: ScoreMaps, image: np.ndarray) -> dict[str, np.ndarray]:
        if len(runs) >= limits[-1]:
            raise KeyboardInterrupt
        runs.append(str(image.shape))
        return real(self, image)

    monkeypatch.setattr(maps_module.ScoreMaps, '_run', count)
    for limit in (2, 7, 11, 13):
        limits.append(limit)
        with pytest.raises(KeyboardInterrupt):
            main(arguments(scenes, checkpoint, killed, *size))
        assert not killed.exists()
    limits.append(float('inf'))
    assert main(arguments(scenes, checkpoint, killed, *size)) == 0
    # Six normal images, six with pasted objects less those that CamVid's step skips, six tests.
    assert len(runs) == 3 + 1 + 3 + 1 + 6
    first, second = (json.loads(f.read_text('utf-8')) for f in (whole, killed))
    assert first['results'] == second['results']
    assert first['fitted'] == second['fitted']
    # Nothing but maps and figures is kept.
    assert list((tmp_path / 'killed.work').rglob('*.pixels')) == []


def test_markdown_is_made_again_from_json(
    table: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, content = table
    copy = tmp_path / 'copy.json'
    shutil.copy(out, copy)
    assert main(['tables', 'markdown', str(copy)]) == 0
    text = copy.with_suffix('.md').read_text('utf-8')
    assert text == out.with_suffix('.md').read_text('utf-8')
    assert text.count('\n## ') == 3
    row = find(content, resolution='native', set='RoadAnomaly', score='entropy', refinement='sml')
    figures = f'{100 * row["auroc"]:.1f} / {100 * row["ap"]:.2f} / {100 * row["fpr95"]:.2f}'
    (line,) = [x for x in text.split('\n## ')[1].splitlines() if x.startswith('| entropy | sml |')]
    assert figures in line
    before = find(content, resolution='native', set='RoadAnomaly', score='entropy',
                  refinement='none')  # fmt: skip
    assert f'{100 * (row["ap"] - before["ap"]):+.2f} (' in text
    assert str(tmp_path) not in text
    prose = [line for line in text.splitlines() if not line.startswith(('|', 'Made by'))]
    assert max(map(len, prose)) < 400


def test_markdown_refuses_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, message in (('{"results": []}', 'no table of refinements'), ('{', 'cannot read')):
        (tmp_path / 'other.json').write_text(text)
        assert main(['tables', 'markdown', str(tmp_path / 'other.json')]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / 'other.md').exists()


def test_rows_that_were_not_measured_say_so() -> None:
    row = {
        'resolution': 'native', 'passes': 'plain', 'size': '8x8', 'images': 1, 'auroc': None,
        'ap': None, 'fpr95': None,
    }  # fmt: skip
    content = {
        'provenance': {'git': None, 'command': 'c', 'date': '2026-01-01'},
        'network': {'segmenter': 's', 'file': 'f', 'sha256': '0'},
        'statistics_from': ['camvid'], 'vde': {'lower_outside': 1.0},
        'results': [
            {**row, 'set': 'A', 'score': 'entropy', 'refinement': 'none'},
            {**row, 'set': 'B', 'score': 'entropy', 'refinement': 'sml'},
        ],
    }  # fmt: skip
    text = markdown(content)
    assert '| entropy | none | no anomaly | not measured |' in text


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--sets', 'Nowhere', 'FS_LostFound_full, RoadAnomaly, fs_static'),
        ('--sizes', 'large', 'WIDTHxHEIGHT'),
        ('--statistics', 'kitti', 'cityscapes, camvid, dashcam'),
        ('--refinements', 'smooth+sml', 'in this order'),
        ('--scores', 'rank', 'max_logit'),
        ('--option', 'heads=4', 'heads'),
    ],
)
def test_mistakes_are_one_sentence(
    scenes: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    option: str, value: str, message: str,
) -> None:  # fmt: skip
    out = tmp_path / 'out.json'
    assert main([*arguments(scenes, checkpoint, out), option, value]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_maps_come_from_disk_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = ScoreMaps(small_segmenter(), PLAIN, Size(64, 32), SCORES, tmp_path, 'flip')
    image = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    first = maps.get('set/a', image)
    monkeypatch.setattr(ScoreMaps, '_run', None)
    again = maps.get('set/a', image)
    assert set(again) == {'labels', *SCORES}
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    with pytest.raises(LabError, match='64x64, expected 64x32'):
        maps.get('b', np.zeros((64, 64, 3), np.uint8))
    (file,) = tmp_path.rglob('*.npz')
    file.write_bytes(b'PK')
    with pytest.raises(LabError, match='does not hold the maps'):
        maps.get('set/a', image)


def test_flip_is_the_mean_with_the_mirrored_image(tmp_path: Path) -> None:
    segmenter = small_segmenter()
    plain, flip = (
        ScoreMaps(segmenter, PLAIN, Size(64, 32), SCORES, tmp_path, p) for p in ('plain', 'flip')
    )
    image = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    one, other = plain.get('a', image), plain.get('b', image[:, ::-1])
    both = flip.get('a', image)
    np.testing.assert_array_equal(both['labels'], one['labels'])
    for score in SCORES:
        mean = (one[score] + other[score][:, ::-1]) / 2
        np.testing.assert_allclose(both[score], mean, rtol=1e-5, atol=1e-5)


def test_refiner_and_samples_on_numbers_by_hand() -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[:, 4:] = 13
    score = np.where(labels == 0, 1.0, 5.0).astype(np.float32)
    score[::2] += 2
    maps = {'labels': labels, 'max_logit': score}
    statistics = take_statistics([maps], ('max_logit',), 19)['max_logit']
    assert statistics['count'][0] == statistics['count'][13] == 24
    assert (statistics['mean'][0], statistics['mean'][13]) == (2, 6)
    refiner = Refiner(('max_logit',), ('none', 'sml'), {'max_logit': statistics}, CITYSCAPES)
    found = refiner.refine(maps)
    assert refiner.outputs == tuple(found) == ('max_logit', 'max_logit+sml')
    assert [split_output(name)[1] for name in found] == ['none', 'sml']
    deviation = (24 / 23) ** 0.5
    expected = np.broadcast_to(np.array([[1], [-1]] * 3) / deviation, (6, 8))
    np.testing.assert_allclose(found['max_logit+sml'], expected, rtol=1e-5)

    target = np.full((6, 8), 255, np.uint8)
    target[0, 0], target[5, 7] = 1, 0
    values, kinds = sample_pixels([(found, target)], refiner.outputs, 0)
    assert values['max_logit'].tolist() == [5, 3]
    assert kinds.tolist() == [0, 1]
    many = [(found, np.where(labels == 13, 255, labels).astype(np.uint8))] * 20
    tables = tail_tables(many, ('max_logit',))
    assert tables['max_logit'].scores == (1, 3)
    assert tables['max_logit'].tails == (1, 0.5)
