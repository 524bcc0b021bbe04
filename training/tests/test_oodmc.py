# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fitting OODMC: what on, against scikit-learn's own decisions, and through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anomaly_seg_ros.bundle import (
    Bundle,
    Card,
    Preprocessing,
    SegmenterSpec,
    WeightsFile,
    write_bundle,
)
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.images import read_label_map
from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_ros.oodmc import FeatureSpec, Oodmc, OodmcError, OodmcModel
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import DataError
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.main import main
from anomaly_seg_training.oodmc_examples import choose_pixels, fit_examples
from anomaly_seg_training.oodmc_fit import (
    Network,
    collect,
    default_sampling,
    fit_classifier,
    stacks,
)
from anomaly_seg_training.oodmc_table import compare, table

OPTIONS = {'widths': [8, 8, 8, 8], 'depths': [1, 1, 1, 1], 'neck': 8, 'head': 6, 'dropout': 0.2}
Save = Callable[[Path, np.ndarray], None]


@pytest.fixture(scope='module')
def oodmc_data(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small data sets, with label ids, cut-outs and one anomaly set."""
    root = tmp_path_factory.mktemp('oodmc') / 'data'
    root.mkdir()
    for name in ('cityscapes_mini', 'camvid'):
        shutil.copytree(data / name, root / name)
    train = root / 'cityscapes_mini' / 'train'
    ids = train / 'labelIds'
    ids.mkdir()
    for index in range(3):
        labels = read_label_map(train / 'trainIds' / f'{index}.png')
        values = np.where(labels == 255, 1, 7).astype(np.uint8)
        values[:10, :40] = 4
        cv2.imwrite(str(ids / f'{index}.png'), values)
        labels[:10, :60] = 255
        cv2.imwrite(str(train / 'trainIds' / f'{index}.png'), labels)
    rng = np.random.default_rng(0)
    folder = root / 'coco128'
    (folder / 'annotations').mkdir(parents=True)
    (folder / 'images' / 'train2017').mkdir(parents=True)
    cv2.imwrite(
        str(folder / 'images' / 'train2017' / '1.png'), rng.integers(0, 256, (90, 90, 3), np.uint8)
    )
    polygon = [10, 10, 80, 10, 80, 80, 10, 80]
    content = {
        'images': [{'id': 1, 'file_name': '1.png'}],
        'annotations': [
            {'image_id': 1, 'category_id': 18, 'segmentation': [polygon], 'area': 4900.0}
        ],
    }
    (folder / 'annotations' / 'instances_train2017.json').write_text(json.dumps(content))
    anomalies = root / 'road_anomaly_val' / 'RoadAnomaly'
    for index in range(2):
        image = rng.integers(0, 256, (64, 128, 3), np.uint8)
        mask = np.zeros((64, 128), np.uint8)
        mask[20:40, 30:60] = 2
        for part, array in (('images', image), ('labels_masks', mask)):
            (anomalies / part).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(anomalies / part / f'{index}.png'), array)
    return root


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny network with weights alone."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp('network')
    torch.manual_seed(0)
    segmenter = create_segmenter('streetnet', num_classes=19, **OPTIONS)
    save_file(segmenter.state_dict(), folder / 'weights.safetensors')
    card = Card(
        name='small', description='For tests.', segmenter=SegmenterSpec('streetnet', OPTIONS),
        classes=CITYSCAPES, preprocessing=Preprocessing(), input_size=Size(128, 64),
        scores=('max_logit',), score='max_logit', weights=WeightsFile(),
    )  # fmt: skip
    files = {'weights.safetensors': folder / 'weights.safetensors'}
    return write_bundle(folder / 'bundle', card, files)


def test_void_things_and_pasted_objects_are_unknown(oodmc_data: Path) -> None:
    both = list(fit_examples(oodmc_data, camvid_step=2))
    names = [example.name for example in both]
    assert names == [
        'cityscapes/train/0/0', 'cityscapes/train/1/0', 'cityscapes/train/2/0',
        'camvid/train/0/0', 'camvid/train/2/0',
    ]  # fmt: skip
    assert all({0, 1} <= set(np.unique(example.target)) <= {0, 1, 255} for example in both)
    # Static things are unknown, the own vehicle and other void pixels count for nothing.
    void = list(fit_examples(oodmc_data, proxies=False))
    assert len(void) == 3
    for example in void:
        assert (example.target[:10, :40] == 1).all()
        assert (example.target[:10, 40:60] == 255).all()
        assert (example.target == 1).sum() == 400
    again = list(fit_examples(oodmc_data, camvid_step=2))
    assert all((a.target == b.target).all() for a, b in zip(both, again, strict=True))
    other = list(fit_examples(oodmc_data, camvid_step=2, seed=1))
    assert any((a.image != b.image).any() for a, b in zip(both, other, strict=True))
    proxies = list(fit_examples(oodmc_data, void=False, camvid_step=0, copies=2))
    assert len(proxies) == 6
    assert (proxies[0].target == 1).sum() < (both[0].target == 1).sum()


def test_nothing_unknown_is_refused(oodmc_data: Path) -> None:
    with pytest.raises(LabError, match='needs unknown pixels'):
        next(fit_examples(oodmc_data, void=False, proxies=False))


def test_missing_label_ids_are_named(oodmc_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'cityscapes_mini' / 'train'
    folder.mkdir(parents=True)
    for part in ('images', 'trainIds'):
        (folder / part).symlink_to(oodmc_data / 'cityscapes_mini' / 'train' / part)
    with pytest.raises(DataError, match=r'0\.png: void pixels need labelIds'):
        next(fit_examples(tmp_path, proxies=False))


def test_chosen_pixels_are_of_both_kinds() -> None:
    target = np.full((8, 8), 255, np.uint8)
    target[:4] = 0
    target[6:, :4] = 1
    indices, values = choose_pixels(target, (4, 4), 3, np.random.default_rng(0))
    assert values.tolist() == [0, 0, 0, 1, 1]
    assert len(set(indices.tolist())) == 5
    assert all(i < 8 for i in indices[:3])
    assert set(indices[3:].tolist()) == {12, 13}


@pytest.mark.parametrize('kind', ['linear', 'nystroem', 'fourier'])
def test_decisions_are_those_of_scikit_learn(kind: str) -> None:
    from sklearn.kernel_approximation import Nystroem, RBFSampler
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    rng = np.random.default_rng(0)
    targets = (np.arange(400) % 4 == 0).astype(np.uint8)
    values = (rng.normal(0, 3, (400, 5)) + 2 * targets[:, None] + 7).astype(np.float32)
    values[:, 3] = 1.5  # says nothing
    factors = np.ones(5, np.float32)
    ours = fit_classifier(values, targets, kind, factors, seed=3, components=20)
    kernels = {
        'linear': [],
        'nystroem': [Nystroem(gamma=0.2, n_components=20, random_state=3)],
        'fourier': [RBFSampler(gamma=0.2, n_components=20, random_state=3)],
    }
    machine = LinearSVC(dual=False, class_weight='balanced', random_state=3)
    pipeline = make_pipeline(StandardScaler(), *kernels[kind], machine)
    pipeline.fit(values.astype(np.float64), targets)
    expected = pipeline.decision_function(values.astype(np.float64))
    received = ours.decide(torch.from_numpy(values.T.copy())).numpy()
    np.testing.assert_allclose(received, expected, rtol=2e-3, atol=2e-3)
    assert received[targets == 1].mean() > received[targets == 0].mean()


def test_the_weight_of_the_moments_reaches_the_classifier() -> None:
    rng = np.random.default_rng(0)
    targets = (np.arange(100) % 2).astype(np.uint8)
    values = rng.normal(0, 1, (100, 3)).astype(np.float32)
    factors = FeatureSpec(1, moment_weight=0).weights(2).numpy()
    classifier = fit_classifier(values, targets, 'linear', factors)
    assert classifier.arrays['scale'][1:].tolist() == [0, 0]


def test_features_that_are_no_numbers_are_refused() -> None:
    values = np.full((4, 2), np.nan, np.float32)
    with pytest.raises(LabError, match='NaN or infinite'):
        fit_classifier(values, np.array([0, 1, 0, 1], np.uint8), 'linear', np.ones(2, np.float32))


@torch.inference_mode()
def test_one_stream_gives_all_numbers_of_samples(bundle: Bundle) -> None:
    network = Network.of_bundle(bundle)
    from anomaly_seg_ros.oodmc import create_sampler, moment_stack

    sampling = default_sampling(network, samples=9)
    sampler = create_sampler(network.segmenter, sampling)
    image = torch.rand(1, 3, 32, 64)
    several = stacks(sampler, sampling, image, (4, 9, 0), 3)
    for count, received in zip((4, 9, 0), several, strict=True):
        alone = moment_stack(sampler, default_sampling(network, samples=count), image, 3)
        torch.testing.assert_close(received, alone, rtol=1e-3, atol=1e-5)


def test_pixels_of_one_kind_alone_are_refused(bundle: Bundle, oodmc_data: Path) -> None:
    network = Network.of_bundle(bundle)
    examples = list(fit_examples(oodmc_data, proxies=False))
    for example in examples:
        example.target[example.target == 1] = 255
    with pytest.raises(LabError, match='3 images hold 0 unknown'):
        collect(network, default_sampling(network, samples=2), examples, (2,))


@pytest.mark.parametrize('kind', ['linear', 'nystroem'])
def test_the_command_fits_what_the_scorer_opens(
    bundle: Bundle, oodmc_data: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['fit', 'oodmc', '--bundle', str(bundle.path), '--data', str(oodmc_data)]
    arguments += ['--out', str(tmp_path / 'fit'), '--samples', '4', '--order', '3']
    arguments += ['--classifier', kind, '--pixels', '60']
    assert main(arguments) == 0
    model = OodmcModel.load(tmp_path / 'fit')
    assert model.fitted['images'] == 4
    assert model.fitted['known_pixels'] == 240
    assert set(model.fitted['provenance']) >= {'command', 'seed', 'git'}
    scorer = Oodmc.open(bundle, tmp_path / 'fit')
    score = scorer.score(np.zeros((40, 70, 3), np.uint8))
    assert score.shape == (40, 70)
    assert main([*arguments[:6], '--out', str(tmp_path / 'again'), *arguments[8:]]) == 0
    assert (tmp_path / 'again' / 'oodmc.safetensors').read_bytes() == (
        tmp_path / 'fit' / 'oodmc.safetensors'
    ).read_bytes()


def test_a_fit_on_other_weights_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    from dataclasses import replace

    from anomaly_seg_ros.oodmc import PixelClassifier

    network = Network.of_bundle(bundle)
    names = {'mean': 20, 'scale': 20, 'weights': 20, 'bias': 1}
    arrays = {name: torch.zeros(size) for name, size in names.items()}
    model = OodmcModel(
        'streetnet', 19, network.weights_sha256, default_sampling(network), FeatureSpec(1),
        PixelClassifier('linear', arrays),
    )  # fmt: skip
    model.save(tmp_path)
    Oodmc.open(bundle, tmp_path)
    replace(model, weights_sha256='b' * 64).save(tmp_path)
    with pytest.raises(OodmcError, match='was fitted on weights with the SHA-256 bbbbbbbbbbbb'):
        Oodmc.open(bundle, tmp_path)


def test_mistakes_end_with_one_line(
    bundle: Bundle, oodmc_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [
        '--bundle',
        str(bundle.path),
        '--data',
        str(oodmc_data),
        '--out',
        str(tmp_path / 'x'),
    ]
    assert main(['fit', 'oodmc', *common, '--order', '7']) == 2
    assert main(['fit', 'oodmc', *common, '--layers', 'classifier']) == 2
    assert main(['measure', 'oodmc', *common, '--samples', '4', '2']) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert 'order 7, expected 1 to 4' in lines[0]
    assert "'classifier' is no dropout layer" in lines[1]
    assert 'ascending' in lines[2]
    assert not (tmp_path / 'x').exists()


def test_the_comparison_measures_every_variant_on_the_same_images(
    bundle: Bundle, oodmc_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('anomaly_seg_training.oodmc_table.SIZE', Size(128, 64))
    network = Network.of_bundle(bundle)
    content = compare(
        network, default_sampling(network), oodmc_data, counts=(2, 5), step=1, pixels=40
    )
    figures = content['sets']['RoadAnomaly']
    assert figures['images'] == 2
    rows = [f'oodmc, {n}, order {order}' for n in (2, 5, 'exact') for order in (1, 2, 3, 4)]
    rows += [f'oodmc, 5, order 4, {kind}' for kind in ('nystroem', 'fourier')]
    assert list(figures) == ['images', 'entropy', 'max_logit', *rows]
    assert all(0 <= figures[row]['ap'] <= 1 for row in ('entropy', *rows))
    json.dumps(content)
    text = table({**content, 'provenance': {'command': 'x', 'seed': 0, 'git': None}})
    assert text.count('\n| ') == 1 + 2 + len(rows)
