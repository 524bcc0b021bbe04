# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab evaluate`` on tiny data sets: figures, protocols, resuming, mistakes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from support import benchmark_layouts as layouts
from support.weights_bundle import build_weights_bundle

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines.torch import TorchEngine
from anomaly_seg_ros.metrics import ComponentMetrics, ConfusionMatrix, PerImageMetrics
from anomaly_seg_training.benchmark import PROTOCOLS, open_benchmark
from anomaly_seg_training.main import main

SETS = {'FS_LostFound_full': 2, 'RoadAnomaly': 2, 'fs_static': 2}


@pytest.fixture(scope='session')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights."""
    return build_weights_bundle(tmp_path_factory.mktemp('bundles') / 'random')


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of three tiny sets."""
    layouts.road_anomaly_val(tmp_path / 'sets')
    return tmp_path / 'sets'


@pytest.fixture
def evaluate(bundle: Path, root: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Evaluate on the tiny sets and return what was stored."""

    def run(*arguments: object, dataset: str = 'road_anomaly_val', folder: Path = root) -> Any:
        file = tmp_path / 'out.json'
        command = ['--dataset', dataset, '--root', folder, '--bundle', bundle, '--json', file]
        command = ['evaluate', *command, '--threads', 1, *arguments]
        assert main([str(argument) for argument in command]) == 0
        assert not (tmp_path / 'out.work').exists() or '--keep-work' in arguments
        return json.loads(file.read_text())

    return run


def _maps(
    bundle: Path, found: Any, output: str, size: tuple[int, int] | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Compute score maps and targets image by image, apart from the code under test."""
    engine = TorchEngine(Bundle.open(bundle), threads=1)
    result = []
    for item in found:
        image, target = item.read()
        if size is not None:
            how = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
            image = cv2.resize(image, size, interpolation=how)
            target = cv2.resize(target, size, interpolation=cv2.INTER_NEAREST)
        result.append((engine.run(image[None], (output,))[output][0], target))
    return result


def _expected(maps: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float, float]:
    scores = np.concatenate([score[target != 255] for score, target in maps])
    truth = np.concatenate([target[target != 255] for _, target in maps])
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    first = float(fpr[np.argmax(tpr >= 0.95)])
    return roc_auc_score(truth, scores), average_precision_score(truth, scores), first


@pytest.mark.parametrize('size', [None, (24, 16), (8, 4)])
def test_figures_equal_scikit_learn(
    evaluate: Callable[..., Any], bundle: Path, root: Path, size: tuple[int, int] | None
) -> None:
    options = [] if size is None else ['--size', f'{size[0]}x{size[1]}']
    content = evaluate(
        '--scores', 'max_logit,entropy', '--refinements', 'none,suppress', '--protocol',
        'fishyscapes', *options,
    )  # fmt: skip
    rows = {(row['set'], row['output']): row for row in content['results']}
    outputs = ('max_logit', 'max_logit+suppress', 'entropy', 'entropy+suppress')
    assert list(rows) == [(name, output) for name in SETS for output in outputs]
    for found in open_benchmark('road_anomaly_val', root):
        for output in outputs:
            row = rows[found.name, output]
            maps = _maps(bundle, found, output, size)
            auroc, ap, fpr95 = _expected(maps)
            assert (row['auroc'], row['ap']) == pytest.approx((auroc, ap), abs=1e-9)
            assert row['fpr95'] == pytest.approx(fpr95, abs=1e-12)
            assert row['images'] == 2
            assert row['pixels'] == sum(np.count_nonzero(t != 255) for _, t in maps)
            assert row['anomalous_pixels'] == sum(np.count_nonzero(t == 1) for _, t in maps)
            assert row['set_version'] == found.version
            assert output == '+'.join([row['score'], row['refinement']]).removesuffix('+none')


def test_provenance_is_stored(evaluate: Callable[..., Any], bundle: Path) -> None:
    content = evaluate('--sets', 'RoadAnomaly', '--scores', 'energy')
    (row,) = content['results']
    assert row['protocol'] == 'fishyscapes'
    assert (row['size'], row['network_size'], row['bundle']) == ('native', '32x16', 'random')
    assert content['protocols']['fishyscapes'] == PROTOCOLS.get('fishyscapes').as_dict()
    (model,) = content['models']
    assert model['files'] == Bundle.open(bundle).card.hashes
    assert row['model_hash'] == model['hash']
    assert content['images'] == {'resumed': 0, 'computed': 2}
    assert content['sets'][0]['doubts'] == ['RoadAnomaly has 2 images, the published set 60']
    assert 0 < content['seconds']['network'] <= content['seconds']['this_run']
    assert content['command'] == content['provenance']['command']
    assert {'git', 'versions', 'date'} <= set(content['provenance'])


def test_the_network_runs_once_per_image(
    evaluate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, run = [], TorchEngine.run

    def counted(self: Any, image: Any, outputs: Any) -> Any:
        calls.append(tuple(outputs))
        return run(self, image, outputs)

    monkeypatch.setattr(TorchEngine, 'run', counted)
    content = evaluate('--refinements', 'all')
    # Only the max logit has statistics, so that only it can be standardised.
    outputs = ('max_logit', 'max_logit+sml', 'max_logit+suppress', 'entropy', 'entropy+suppress',
               'energy', 'energy+suppress')  # fmt: skip
    assert calls == [outputs] * 6
    assert len(content['results']) == 3 * len(outputs)


def test_means_over_images(evaluate: Callable[..., Any], bundle: Path, root: Path) -> None:
    content = evaluate(
        '--scores', 'max_logit', '--protocol', 'caos', '--per-image', '--curves', 50
    )
    caos = PROTOCOLS.get('caos')
    for row, found in zip(
        content['results'], open_benchmark('road_anomaly_val', root), strict=True
    ):
        metrics = PerImageMetrics()
        for score, target in _maps(bundle, found, 'max_logit'):
            metrics.update(score, caos.target(target))
        expected = metrics.compute()
        assert (row['auroc'], row['ap'], row['fpr95'], row['images']) == (
            expected.auroc, expected.ap, expected.fpr95_caos, expected.images
        )  # fmt: skip
        assert [image['ap'] for image in row['per_image']] == [r.ap for r in metrics.results]
        assert [image['image'] for image in row['per_image']] == ['0', '2']
        assert row['curves']['roc']['x'][0] == 0


def test_components(evaluate: Callable[..., Any], bundle: Path, root: Path) -> None:
    content = evaluate(
        '--scores', 'energy', '--protocol', 'smiyc-obstacle', '--size', '64x32', '--sets',
        'RoadAnomaly',
    )  # fmt: skip
    (row,) = content['results']
    protocol = PROTOCOLS.get('smiyc-obstacle')
    found = next(s for s in open_benchmark('road_anomaly_val', root) if s.name == 'RoadAnomaly')
    maps = [
        (score.astype(np.float16).astype(np.float32), target)
        for score, target in _maps(bundle, found, 'energy', (64, 32))
    ]
    assert row['ap'] == pytest.approx(_expected(maps)[1], abs=1e-9)
    metrics = ComponentMetrics(protocol.components, row['components']['threshold'])
    for score, target in maps:
        metrics.update(score, target)
    stored = {key: row['components'][key] for key in ('siou', 'ppv', 'f1_star', 'images')}
    expected = metrics.compute().as_dict()
    assert stored == {key: expected[key] for key in stored}
    assert row['components']['target_components'] > 0


def test_classes_of_a_set_without_anomalies(
    evaluate: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    layouts.cityscapes(tmp_path / 'city')
    content = evaluate(dataset='cityscapes', folder=tmp_path / 'city')
    assert content['results'] == []
    (row,) = content['segmentation']
    engine, matrix = TorchEngine(Bundle.open(bundle), threads=1), ConfusionMatrix(19)
    (found,) = open_benchmark('cityscapes', tmp_path / 'city')
    for item in found:
        image, labels = item.read_classes()
        matrix.update(engine.run(image[None], ('labels',))['labels'][0], labels)
    assert row['miou'] == matrix.compute().miou
    assert (row['images'], row['accuracy']) == (2, matrix.compute().accuracy)
    assert 0 <= row['ece'] <= 1


def test_several_bundles(
    evaluate: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = build_weights_bundle(tmp_path / 'other', seed=1)
    content = evaluate('--bundle', other, '--sets', 'fs_static', '--scores', 'entropy')
    first, second = content['results']
    assert (first['bundle'], second['bundle']) == ('random', 'random#2')
    assert first['auroc'] != second['auroc']
    assert first['model_hash'] != second['model_hash']
    printed = capsys.readouterr().out
    assert 'fs_static (random#2)' in printed
    assert f'{100 * second["ap"]:.2f}' in printed


def test_another_size_of_the_network(evaluate: Callable[..., Any]) -> None:
    arguments = ('--sets', 'fs_static', '--scores', 'entropy', '--engine', 'torch')
    first = evaluate(*arguments)['results'][0]
    second = evaluate(*arguments, '--network-size', '64x32')['results'][0]
    flipped = evaluate(*arguments, '--flip')['results'][0]
    assert second['network_size'] == '64x32'
    assert len({row['auroc'] for row in (first, second, flipped)}) == 3
    assert len({row['model_hash'] for row in (first, second, flipped)}) == 3


def test_a_checkpoint_needs_no_bundle(
    evaluate: Callable[..., Any], bundle: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = bundle / 'weights.safetensors'
    content = evaluate(
        '--checkpoint', weights, '--network-size', '32x16', '--engine', 'torch', '--sets',
        'fs_static', '--scores', 'energy',
    )  # fmt: skip
    first, second = content['results']
    assert (first['bundle'], second['bundle']) == ('random', 'weights')
    assert first['ap'] == second['ap']
    command = [
        'evaluate',
        '--dataset',
        'road_anomaly_val',
        '--root',
        str(root),
        '--json',
        'f.json',
    ]
    assert main([*command, '--checkpoint', 'none.pth']) == 2
    assert 'none.pth' in capsys.readouterr().err


KILLED = """
import os, signal, sys, time
from pathlib import Path
from anomaly_seg_ros.engines.torch import TorchEngine
from anomaly_seg_training.main import main

run, calls = TorchEngine.run, []

def killing(self, image, outputs):
    calls.append(1)
    if len(calls) == 4:
        deadline = time.monotonic() + 60
        while len(list(Path(sys.argv[1]).glob('*/*/[!.]*.done.json'))) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, image, outputs)

TorchEngine.run = killing
main(sys.argv[2:])
"""


def test_a_killed_run_continues(
    evaluate: Callable[..., Any],
    bundle: Path,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, file = tmp_path / 'work', tmp_path / 'killed.json'
    arguments = [
        'evaluate', '--dataset', 'road_anomaly_val', '--root', root, '--bundle', bundle,
        '--scores', 'max_logit,energy', '--refinements', 'none,suppress', '--json', file,
        '--work', work, '--keep-work', '--threads', 1, '--protocol', 'smiyc-obstacle',
    ]  # fmt: skip
    command = [str(argument) for argument in arguments]
    done = subprocess.run(
        [sys.executable, '-c', KILLED, str(work), *command], timeout=240, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert not file.exists()
    before = {path: path.stat().st_mtime_ns for path in work.glob('*/*/[!.]*.done.json')}
    assert len(before) == 3

    seen, run = [], TorchEngine.run

    def counted(self: Any, image: Any, outputs: Any) -> Any:
        seen.append(image.tobytes())
        return run(self, image, outputs)

    monkeypatch.setattr(TorchEngine, 'run', counted)
    assert main(command) == 0
    continued = json.loads(file.read_text())
    assert continued['images'] == {'resumed': 3, 'computed': 3}
    assert len(set(seen)) == len(seen) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    whole = evaluate(*command[7:11], '--protocol', 'smiyc-obstacle')
    assert whole['images'] == {'resumed': 0, 'computed': 6}
    assert continued['results'] == whole['results']
    # Once more: nothing is left to do.
    assert main(command) == 0
    assert len(seen) == 9
    assert json.loads(file.read_text())['results'] == whole['results']


def test_other_questions_begin_anew(evaluate: Callable[..., Any], tmp_path: Path) -> None:
    options = ('--keep-work', '--sets', 'fs_static')
    evaluate(*options, '--scores', 'energy')
    assert evaluate(*options, '--scores', 'energy')['images']['resumed'] == 2
    assert evaluate(*options, '--scores', 'energy', '--size', '16x8')['images']['resumed'] == 0
    assert evaluate(*options, '--scores', 'entropy')['images']['resumed'] == 0
    layouts.save(tmp_path / 'sets/fs_static/images/4.png', layouts.picture(9))
    layouts.save(tmp_path / 'sets/fs_static/labels_masks/4.png', layouts.labels((0, 1)))
    assert evaluate(*options, '--scores', 'energy')['images'] == {'resumed': 0, 'computed': 3}


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    'unknown id': (
        lambda s: layouts.save(s / 'labels_masks/2.png', layouts.labels((0, 7))),
        '2.png holds the label values [7] (48 pixels), expected only 0, 1, 255',
    ),
    'another size': (
        lambda s: layouts.save(s / 'labels_masks/2.png', layouts.labels((0, 1))[1:]),
        '2.webp: the image is 12x8 and its label map 12x7, expected equal sizes',
    ),
    'no mask': (lambda s: (s / 'labels_masks/2.png').unlink(), '2.webp has no label map'),
    'no image': (lambda s: (s / 'images/2.webp').unlink(), '2.png has no image'),
    '16 bits': (
        lambda s: layouts.save(s / 'labels_masks/2.png', layouts.labels((0, 1)).astype('u2')),
        '2.png has shape (8, 12) and type uint16, expected one channel of 8 bits',
    ),
    'empty': (
        lambda s: [file.unlink() for file in (s / 'images').iterdir()],
        'images holds no image or label map',
    ),
}


@pytest.mark.parametrize('what', SPOILED)
def test_labels_that_do_not_belong(
    what: str,
    bundle: Path,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: Any) -> Any:
        pytest.fail('the network ran before all files were checked')

    monkeypatch.setattr(TorchEngine, 'run', never)
    spoil, words = SPOILED[what]
    spoil(root / 'fs_static')
    out = tmp_path / 'out'
    arguments = ['evaluate', '--dataset', 'road_anomaly_val', '--root', root, '--bundle', bundle,
                 '--json', out / 'f.json', '--threads', 1]  # fmt: skip
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert str(root / 'fs_static') in error
    assert words in error
    assert 'Traceback' not in error
    assert not out.exists()


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--scores', 'entrpy'], "no score 'entrpy', expected one of: max_logit, entropy"),
        (['--refinements', 'blur'], "received the refinement 'blur'"),
        (['--refinements', 'smooth'], "no refinement 'smooth', expected one of: none, sml"),
        (['--scores', 'energy', '--refinements', 'sml'], 'run anomaly-seg calibrate'),
        (['--protocol', 'mine'], "unknown protocol 'mine'; choose one of: fishyscapes"),
        (['--sets', 'mine'], "no set 'mine', expected one of: FS_LostFound_full"),
        (['--size', '12'], "received the size '12', expected WIDTHxHEIGHT"),
        (
            ['--network-size', '64x32', '--engine', 'onnxruntime'],
            'expected --engine torch',
        ),
        (['--dataset', 'mine'], "unknown benchmark 'mine'"),
        (['--bag', 'none.mcap'], 'none.mcap'),
        (['--bundle', 'nowhere'], 'there is no bundle nowhere'),
        (['--zooms', '1,x'], "received --zooms '1,x'"),
        (['--curves', '2'], 'received --curves 2'),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str],
    words: str,
    bundle: Path,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / 'out'
    command = ['evaluate', '--dataset', 'road_anomaly_val', '--root', root, '--bundle', bundle,
               '--json', out / 'f.json', '--threads', 1, *arguments]  # fmt: skip
    assert main([str(argument) for argument in command]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count('\n') == 1
    assert not out.exists()


def test_something_to_measure_on_is_needed(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ['evaluate', '--bundle', str(bundle), '--json', str(tmp_path / 'f.json')]
    assert main(base) == 2
    assert 'expected --dataset with --root, or --bag' in capsys.readouterr().err
    assert main(['evaluate', '--bag', 'b', *base[3:]]) == 2
    assert 'received no model, expected --bundle or --checkpoint' in capsys.readouterr().err
    assert main([*base, '--dataset', 'folder']) == 2
    assert 'received one of --dataset and --root' in capsys.readouterr().err
