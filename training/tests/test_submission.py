# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Score files for benchmarks: their layouts, figures after reading back, mistakes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import benchmark_layouts as layouts
from support.weights_bundle import build_weights_bundle

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines.torch import TorchEngine
from anomaly_seg_ros.images import read_image
from anomaly_seg_training.main import main
from anomaly_seg_training.submission import Fishyscapes, SubmissionError

FRAMES = ('airplane0000', 'validation0000', 'validation0001')
Write = Callable[..., int]


@pytest.fixture(scope='session')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights."""
    return build_weights_bundle(tmp_path_factory.mktemp('bundles') / 'random')


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """RoadAnomaly21 with two labelled images and one without."""
    layouts.road_anomaly21(tmp_path / 'set')
    return tmp_path / 'set'


@pytest.fixture
def write(bundle: Path, root: Path, tmp_path: Path) -> Write:
    """Write a submission for the tiny RoadAnomaly21."""

    def run(*arguments: object, score: str = 'energy', model: Path = bundle) -> int:
        command = ['submission', 'write', '--format', 'smiyc', '--set', 'AnomalyTrack-all']
        command += ['--images', str(root / 'dataset_AnomalyTrack/images'), '--method', 'ours']
        command += ['--out', str(tmp_path / 'out'), '--bundle', str(model), '--score', score]
        return main([*command, '--threads', '1', *map(str, arguments)])

    return run


def _about(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / 'out/submission/ours.AnomalyTrack-all.json').read_text())


def _engine_score(bundle: Path, image: Path, output: str) -> np.ndarray:
    engine = TorchEngine(Bundle.open(bundle), threads=1)
    return engine.run(read_image(image)[None], (output,))[output][0]


# SegmentMeIfYouCan


def test_files_are_those_of_smiyc(write: Write, bundle: Path, root: Path, tmp_path: Path) -> None:
    assert write() == 0
    folder = tmp_path / 'out/anomaly_p/ours/AnomalyTrack-all'
    assert sorted(file.name for file in folder.iterdir()) == [f'{n}.hdf5' for n in FRAMES]
    for name in FRAMES:
        with h5py.File(folder / f'{name}.hdf5') as file:
            assert list(file) == ['value']
            value = file['value'][:]
        image = root / f'dataset_AnomalyTrack/images/{name}.jpg'
        assert value.dtype == np.float16
        assert (value == _engine_score(bundle, image, 'energy').astype(np.float16)).all()
    about = _about(tmp_path)
    assert (about['score'], about['refinement'], about['images']) == ('energy', 'none', 3)
    assert about['rounding']['pixels'] == 3 * 8 * 12
    assert about['figures']['images'] == 2
    assert not list((tmp_path / 'out/submission').glob('*.work'))


def _rows(out: Path, *arguments: object) -> list[dict[str, Any]]:
    file = out.parent / 'submission.json'
    command = ['submission', 'evaluate', '--out', out, '--method', 'ours', '--json', file]
    assert main([*map(str, command), *map(str, arguments)]) == 0
    return json.loads(file.read_text())['submission']


def _evaluated(bundle: Path, file: Path, *arguments: object) -> list[dict[str, Any]]:
    command = ['evaluate', '--bundle', bundle, '--json', file, '--threads', 1, *arguments]
    assert main([str(word) for word in command]) == 0
    return json.loads(file.read_text())['results']


def test_figures_of_the_files_are_those_of_evaluate(
    write: Write, bundle: Path, root: Path, tmp_path: Path
) -> None:
    assert write('--refinement', 'suppress', score='entropy') == 0
    smiyc = ('--format', 'smiyc', '--set', 'AnomalyTrack-all')
    (row,) = _rows(tmp_path / 'out', *smiyc, '--benchmark', 'road_anomaly21', '--root', root)
    what = ('--dataset', 'road_anomaly21', '--root', root, '--scores', 'entropy',
            '--refinements', 'suppress')  # fmt: skip
    (expected,) = _evaluated(bundle, tmp_path / 'e.json', *what)
    assert row['set'] == 'RoadAnomaly21-validation'
    assert row['protocol'] == 'smiyc-anomaly'
    assert 0 < row['ap'] < 1
    for key in ('auroc', 'ap', 'fpr95', 'pixels', 'best_f1', 'components', 'set_version'):
        assert row[key] == expected[key], key
    figures = _about(tmp_path)['figures']
    assert figures['stored'] == {key: row[key] for key in ('auroc', 'ap', 'fpr95')}
    (exact,) = _evaluated(bundle, tmp_path / 'f.json', *what, '--protocol', 'fishyscapes')
    assert figures['exact'] == {key: exact[key] for key in ('auroc', 'ap', 'fpr95')}


def test_sets_of_lost_and_found_lie_deep(bundle: Path, tmp_path: Path) -> None:
    layouts.lost_and_found(tmp_path / 'laf')
    common = ['--format', 'smiyc', '--method', 'ours', '--out', tmp_path / 'out']
    command = ['submission', 'write', *common, '--set', 'LostAndFound-test', '--bundle', bundle]
    command += ['--images', tmp_path / 'laf/leftImg8bit/test', '--threads', 1]
    assert main([str(word) for word in command]) == 0
    folder = tmp_path / 'out/anomaly_p/ours/LostAndFound-test'
    assert sorted(file.name for file in folder.iterdir()) == [
        '02_Hanns_Klemm_Str_44_000000_000020.hdf5',
        '15_Rechbergstr_Deckenpfronn_000000_000100.hdf5',
    ]
    where = ('--benchmark', 'lost_and_found', '--root', tmp_path / 'laf')
    (row,) = _rows(tmp_path / 'out', '--format', 'smiyc', '--set', 'LostAndFound-test', *where)
    what = ('--dataset', *where[1:], '--scores', 'max_logit')
    (expected,) = _evaluated(bundle, tmp_path / 'e.json', *what)
    assert (row['set'], row['ap']) == ('LostAndFound-testNoKnown', expected['ap'])


def test_missing_images_are_said(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert write() == 0
    assert 'has 3 images, AnomalyTrack-all 110' in capsys.readouterr().err


def test_a_bad_centre_is_measured(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write('--centre', '1e6') == 0
    error = capsys.readouterr().err
    assert f'{3 * 96} of {3 * 96} scores lie beyond float16' in error
    assert '100.0 % of the pixels' in error
    assert 'rounding to float16 changes AP by ' in error
    about = _about(tmp_path)
    assert about['centre'] == 1e6
    assert about['figures']['stored']['auroc'] == 0.5
    assert about['warnings']


def test_a_checkpoint_needs_no_bundle(bundle: Path, root: Path, tmp_path: Path) -> None:
    command = ['submission', 'write', '--format', 'smiyc', '--set', 'AnomalyTrack-all']
    command += ['--images', root / 'dataset_AnomalyTrack/images', '--method', 'ours']
    command += ['--checkpoint', bundle / 'weights.safetensors', '--network-size', '32x16']
    assert main([str(w) for w in [*command, '--out', tmp_path / 'out', '--threads', 1]]) == 0
    assert _about(tmp_path)['output'] == 'max_logit'


# What a stopped run leaves


def test_a_stopped_run_continues(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write() == 0
    whole = _about(tmp_path)
    files = {f.name: f.read_bytes() for f in (tmp_path / 'out').rglob('*.hdf5')}
    shutil.rmtree(tmp_path / 'out')
    run, calls = TorchEngine.run, Counter[str]()

    def stopped(*arguments: Any) -> Any:
        calls['run'] += 1
        if calls['run'] == 3:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(TorchEngine, 'run', stopped)
    with pytest.raises(SystemExit) as left:
        write()
    assert left.value.code == 130
    assert 'figures' not in _about(tmp_path)
    assert len(list((tmp_path / 'out').rglob('*.hdf5'))) == 2
    assert write() == 0
    assert calls['run'] == 4
    again = _about(tmp_path)
    assert {**again, 'provenance': 0} == {**whole, 'provenance': 0}
    assert {f.name: f.read_bytes() for f in (tmp_path / 'out').rglob('*.hdf5')} == files
    # What is complete is not computed again, what is lost is.
    assert write() == 0
    assert calls['run'] == 4
    next((tmp_path / 'out').rglob('*.hdf5')).unlink()
    assert write() == 0
    assert calls['run'] == 7


def test_scores_of_two_models_are_not_mixed(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write() == 0
    assert write(score='entropy') == 2
    assert 'another model or score' in capsys.readouterr().err
    other = build_weights_bundle(tmp_path / 'other', seed=1)
    assert write(model=other) == 2
    (tmp_path / 'out/submission/ours.AnomalyTrack-all.json').write_text('{')
    assert write() == 2
    assert 'remove it to write the submission anew' in capsys.readouterr().err


# Fishyscapes


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """Fishyscapes Lost & Found, and its images as the servers give them."""
    layouts.fishyscapes_lost_and_found(tmp_path / 'fs')
    for label in (tmp_path / 'fs/fishyscapes_lostandfound').iterdir():
        name = label.name.removesuffix('_labels.png')
        frame = name.partition('_')[2]
        (image,) = (tmp_path / 'fs/leftImg8bit').rglob(f'{frame}_leftImg8bit.png')
        (tmp_path / 'input').mkdir(exist_ok=True)
        shutil.copy(image, tmp_path / 'input' / f'{name}_rgb.png')
    return tmp_path / 'input'


def test_files_are_those_of_fishyscapes(bundle: Path, numbered: Path, tmp_path: Path) -> None:
    common = ['--format', 'fishyscapes', '--method', 'ours', '--out', tmp_path / 'out']
    command = ['submission', 'write', *common, '--images', numbered, '--bundle', bundle]
    command += ['--masks', tmp_path / 'fs/fishyscapes_lostandfound', '--threads', 1]
    assert main([str(word) for word in command]) == 0
    names = sorted(path.stem for path in numbered.iterdir())
    files = sorted(path.name for path in (tmp_path / 'out').iterdir() if path.is_file())
    assert files == [f'{n}_{kind}.npy' for n in names for kind in ('anomaly', 'segmentation')]
    engine = TorchEngine(Bundle.open(bundle), threads=1)
    for name in names:
        image = read_image(numbered / f'{name}.png')
        expected = engine.run(image[None], ('max_logit', 'labels'))
        score = np.load(tmp_path / f'out/{name}_anomaly.npy')
        labels = np.load(tmp_path / f'out/{name}_segmentation.npy')
        assert score.dtype == np.float32
        assert (score == expected['max_logit'][0]).all()
        assert (labels == expected['labels'][0]).all()
    where = ('--benchmark', 'fishyscapes_lost_and_found', '--root', tmp_path / 'fs')
    (row,) = _rows(tmp_path / 'out', '--format', 'fishyscapes', *where)
    what = ('--dataset', *where[1:], '--scores', 'max_logit')
    (evaluated,) = _evaluated(bundle, tmp_path / 'e.json', *what)
    figures = {key: evaluated[key] for key in ('auroc', 'ap', 'fpr95')}
    assert {key: row[key] for key in figures} == figures
    about = json.loads((tmp_path / 'out/submission/ours.fishyscapes.json').read_text())
    assert about['figures'] == {'images': 2, 'stored': figures}


def test_names_that_fishyscapes_cannot_use_are_refused(tmp_path: Path) -> None:
    images = tmp_path / 'images'
    layouts.save(images / 'road.png', layouts.picture(0))
    layout = Fishyscapes(tmp_path / 'out', 'ours')
    with pytest.raises(SubmissionError, match='road does not begin like 0000_'):
        layout.frames(images)
    (images / 'road.png').rename(images / '0001_a.png')
    shutil.copy(images / '0001_a.png', images / '001_b.png')
    with pytest.raises(SubmissionError, match='0001_a and 001_b have the same number'):
        layout.frames(images)


# Mistakes


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--set', 'Road'], "the set 'Road', expected one of: AnomalyTrack-all"),
        (['--method', '../ours'], "the method '../ours', expected letters"),
        (['--centre', 'much'], "--centre 'much', expected a number or threshold"),
        (['--centre', 'nan'], "--centre 'nan'"),
        (['--centre', 'threshold'], 'no threshold'),
        (['--score', 'magic'], "no score 'magic'"),
        (['--checkpoint', 'x.pth'], 'expected one of them'),
        (['--format', 'fishyscapes'], 'expected none'),
        (['--masks', 'nowhere'], 'there is no folder nowhere'),
        (['--images', 'nowhere'], 'there is no folder nowhere'),
    ],
)
def test_mistakes_end_with_one_sentence(
    write: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert write(*options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert not list(tmp_path.rglob('*.hdf5'))


def test_masks_must_fit(
    write: Write, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = root / 'dataset_AnomalyTrack/labels_masks/validation0000_labels_semantic.png'
    layouts.save(mask, layouts.labels((0, 2)))
    assert write() == 2
    # Before the network runs.
    assert not list(tmp_path.rglob('*.hdf5'))
    assert (
        'validation0000_labels_semantic.png holds the label values [2]' in capsys.readouterr().err
    )
    layouts.save(mask, layouts.labels((0, 1))[:4])
    assert write() == 2
    assert 'the image is 12x8 and its label map 12x4' in capsys.readouterr().err
    other = layouts.save(tmp_path / 'masks/nothing.png', layouts.labels((0, 1)))
    assert write('--masks', other.parent) == 2
    assert 'holds no FRAME_labels_semantic.png' in capsys.readouterr().err


def test_evaluate_names_what_is_missing(
    write: Write, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write() == 0
    (tmp_path / 'out/anomaly_p/ours/AnomalyTrack-all/validation0001.hdf5').unlink()
    command = ['submission', 'evaluate', '--out', tmp_path / 'out', '--method', 'ours']
    command += ['--format', 'smiyc', '--set', 'AnomalyTrack-all']
    command += ['--benchmark', 'road_anomaly21', '--root', root]
    assert main([str(word) for word in command]) == 2
    assert 'validation0001.hdf5' in capsys.readouterr().err
    assert main([*map(str, command), '--sets', 'nothing']) == 2
    assert "no set 'nothing'" in capsys.readouterr().err
