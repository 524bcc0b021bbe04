# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SynBoost from recipes to a detector: tiny runs of all three trainings, resumed and measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from anomaly_seg_ros.bundle import (
    Bundle,
    BundleError,
    Card,
    Preprocessing,
    SegmenterSpec,
    WeightsFile,
    write_bundle,
)
from anomaly_seg_ros.bundle.bundle import default_bundle_path
from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.detector import create_detector
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.files import sha256_file
from anomaly_seg_ros.images import read_image
from anomaly_seg_ros.models import create_segmenter, read_state_dict
from anomaly_seg_ros.render import heat
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import open_source
from anomaly_seg_training.export import leave_out_weights
from anomaly_seg_training.main import main
from anomaly_seg_training.synboost.ablation import markdown
from anomaly_seg_training.synboost.assembly import Parts
from anomaly_seg_training.synboost.dissimilarity_run import (
    DETECTOR,
    read_detector,
    write_weights_bundle,
)
from anomaly_seg_training.synboost.stages import STAGES, spread, stage_pictures

OPTIONS = {'widths': [4, 4, 4, 4], 'depths': [1, 1, 1, 1], 'neck': 4, 'head': 4}
DATA = {
    'shares': {'synthetic': 1.0}, 'reader_options': {'synthetic': {'clips': 1, 'frames': 1}},
    'size': '64x32', 'scale': [0.1, 0.2], 'batch': 2, 'epoch_steps': 1, 'steps': 2,
}  # fmt: skip
VGG = {'depth': 16, 'tap': 'last', 'levels': 4, 'width': 0.05}
RECIPES: dict[str, dict[str, Any]] = {
    'perceptual': {**DATA, 'options': VGG},
    'synthesis': {
        **DATA, 'generator_options': {'channels': 4, 'hidden': 4, 'most': 1, 'styles': 3},
        'style_options': {'channels': 4, 'size': 16}, 'perceptual': '', 'perceptual_options': VGG,
        'discriminator_options': {'channels': 4, 'depth': 2, 'scales': 1}, 'picture_steps': 2,
    },
    'dissimilarity': {
        **DATA, 'name': 'tiny', 'dissimilarity_size': '64x32', 'image_encoder': 'perceptual',
        'options': {'width': 0.05}, 'bounds_images': 2, 'validation_items': 3,
        'validation': {'synthetic': {'clips': 1, 'frames': 1, 'seed': 4000}},
    },
}  # fmt: skip


def make_bundle(
    folder: Path, classes: ClassSet = CITYSCAPES, spec: SegmenterSpec | None = None
) -> Path:
    torch.manual_seed(0)
    spec = spec or SegmenterSpec('streetnet', OPTIONS)
    segmenter = create_segmenter(spec.name, num_classes=len(classes), **spec.options)
    save_file(segmenter.state_dict(), folder / 'w.safetensors')
    card = Card(
        name='street', description='For tests.', segmenter=spec,
        classes=classes, preprocessing=Preprocessing(), input_size=Size(64, 32),
        scores=('max_logit',), score='max_logit', weights=WeightsFile(),
    )  # fmt: skip
    write_bundle(folder / 'bundle', card, {'weights.safetensors': folder / 'w.safetensors'})
    return folder / 'bundle'


def train(folder: Path, kind: str, *extra: str, **changes: Any) -> int:
    config = folder / f'{kind}.yaml'
    config.write_text(yaml.safe_dump(RECIPES[kind] | changes), 'utf-8')
    return main([
        'train', kind, '--config', str(config), '--data', str(folder), '--out',
        str(folder / kind), '--devices', '1', '--accelerator', 'cpu', *extra,
    ])  # fmt: skip


@pytest.fixture(scope='module')
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a segmenter's bundle and finished runs of all three trainings."""
    folder = tmp_path_factory.mktemp('synboost')
    bundle = make_bundle(folder)
    assert train(folder, 'perceptual') == 0
    weights = str(folder / 'perceptual' / 'weights.safetensors')
    assert train(folder, 'synthesis', '--perceptual', weights) == 0
    parts = ('--bundle', str(bundle), '--synthesis', str(folder / 'synthesis'))
    assert train(folder, 'dissimilarity', *parts, steps=1) == 0
    (folder / 'dissimilarity' / DETECTOR).unlink()
    assert train(folder, 'dissimilarity', *parts, '--resume') == 0
    return folder


def test_all_parts_are_in_the_result(place: Path) -> None:
    detector, about = read_detector(place / 'dissimilarity')
    assert [entry['step'] for entry in about['validation']] == [1, 2]
    assert set(about['chosen']) == {'ensemble', 'network'}
    assert about['chosen']['ensemble']['fpr95'] <= about['chosen']['network']['fpr95']
    spec = detector.resynthesis.spec
    assert sum(spec.ensemble) == pytest.approx(1)
    assert all(0 <= low < high for low, high in spec.bounds.values())
    assert spec.bounds['entropy'] != (0.0, 1.0)
    drawn = read_state_dict(place / 'synthesis' / 'weights.safetensors')
    for name, tensor in detector.resynthesis.generator.state_dict().items():
        expected = drawn[f'generator.{name}'].to(tensor.dtype)
        torch.testing.assert_close(tensor, expected, atol=1e-3, rtol=0)
    # The frozen perceptual network was the beginning of the image encoder, which went on learning.
    first = drawn['perceptual.features.0.weight'].float()
    torch.testing.assert_close(
        detector.resynthesis.perceptual.features[0].weight, first, atol=1e-3, rtol=0
    )
    encoder = detector.resynthesis.dissimilarity.images.features[0].weight
    assert not torch.equal(encoder, first)
    assert (encoder - first).abs().max() < 0.01
    assert (place / 'synthesis' / 'pictures' / 'synthesis_000002.png').is_file()


def test_weights_run_as_a_bundle_and_leave_labels_untouched(place: Path, tmp_path: Path) -> None:
    bundle = write_weights_bundle(place / 'dissimilarity', tmp_path / 'out')
    image = np.random.default_rng(0).integers(0, 256, (1, 40, 90, 3), dtype=np.uint8)
    results = []
    for path in (bundle.path, place / 'bundle'):
        opened = type(bundle).open(path)
        engine = load_engine('torch', opened, device='cpu')
        outputs = ('labels', *opened.card.scores[:1])
        results.append(engine.run(image, outputs))
    np.testing.assert_array_equal(results[0]['labels'], results[1]['labels'])
    score = results[0]['synboost']
    assert score.shape == (1, 40, 90)
    assert 0 <= score.min() < score.max() <= 1


def test_stages_of_frames_come_on_one_page(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / 'frames'
    frames.mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 32, 64, 3)).astype(np.uint8)
    for number, image in enumerate(images):
        cv2.imwrite(str(frames / f'{number}.png'), image[..., ::-1])
    detector, _ = read_detector(place / 'dissimilarity')
    pictures = stage_pictures(detector, images[2])
    np.testing.assert_array_equal(pictures[0], images[2])
    with torch.inference_mode():
        maps = detector.maps(torch.from_numpy(images[2])[None])
    expected = heat(maps.entropy[0, 0].numpy(), (0.0, 1.0))
    np.testing.assert_array_equal(pictures[STAGES.index('entropy')], expected)
    with torch.inference_mode():
        score = detector.run(torch.from_numpy(images[2])[None], ('synboost',))['synboost'][0]
    np.testing.assert_allclose(pictures[-1], heat(score.numpy(), (0.0, 1.0)), atol=2)
    assert [f.name for f in spread(open_source(frames), 2)] == ['0', '2']

    out = tmp_path / 'page.png'
    options = ['--run', str(place / 'dissimilarity'), '--input', str(frames), '--width', '64']
    assert main(['stages', *options, '--count', '2', '--out', str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    page = read_image(out)
    assert page.shape[1] == 4 * 64 + 5 * 8
    assert main(['stages', *options, '--count', '0', '--out', str(out)]) == 2
    assert 'received --count 0, expected at least 1' in capsys.readouterr().err


def test_stages_need_networks_that_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = make_bundle(tmp_path), tmp_path / 'a.png'
    options = ['--bundle', str(bundle), '--input', 'synthetic', '--out', str(out)]
    assert main(['stages', *options]) == 2
    assert 'holds no re-synthesis networks' in capsys.readouterr().err


def test_a_bundle_can_leave_its_weights_out(tmp_path: Path, place: Path) -> None:
    copy = Path(shutil.copytree(default_bundle_path(), tmp_path / 'copy'))
    before = Bundle.open(copy)
    after = leave_out_weights(before)
    assert sorted(file.name for file in copy.iterdir()) == ['card.json', 'detector.onnx']
    assert after.card.scores == before.card.scores
    assert after.file('graph').read_bytes() == Bundle.open('default').file('graph').read_bytes()
    with pytest.raises(BundleError, match='weights'):
        after.file('weights')
    with pytest.raises(BundleError, match='graph'):
        leave_out_weights(Bundle.open(place / 'bundle'))


def test_a_second_stream_is_left_out(place: Path, tmp_path: Path) -> None:
    options = {'base': 'streetnet', 'base_options': OPTIONS}
    bundle = make_bundle(tmp_path, spec=SegmenterSpec('evidence_stream', options))
    start = Parts.open(str(bundle), place / 'synthesis').start
    assert (start.spec.name, start.spec.options) == ('streetnet', OPTIONS)
    both, image = create_detector(Bundle.open(bundle)).segmenter, torch.rand(1, 3, 32, 64)
    with torch.inference_mode():
        found, expected = start.network(image).softmax(1), both(image).softmax(1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_segmenter_with_other_classes_is_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ClassSet(CITYSCAPES.names[:5], CITYSCAPES.palette[:5], (0,))
    bundle = make_bundle(tmp_path, few)
    parts = ('--bundle', str(bundle), '--synthesis', str(place / 'synthesis'))
    assert train(tmp_path, 'dissimilarity', *parts) == 2
    assert 'knows the 5 classes road, ' in capsys.readouterr().err


@pytest.mark.parametrize(('kind', 'extra', 'words'), [
    ('synthesis', ('--perceptual', 'absent.pth'), 'there is no weights file absent.pth'),
    ('synthesis', (), '--perceptual FILE, or torchvision'),
    ('synthesis', ('--devices', '2'), 'one device'),
    ('dissimilarity', ('--bundle', 'default', '--synthesis', 'absent'), 'holds no run.json'),
])  # fmt: skip
def test_what_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, extra: tuple[str, ...],
    words: str,
) -> None:  # fmt: skip
    assert train(tmp_path, kind, *extra) == 2
    assert words in capsys.readouterr().err


def test_ablation_measures_what_is_not_measured_yet(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / 'road_anomaly_val' / 'fs_static'
    for name in ('images', 'labels_masks'):
        (folder / name).mkdir(parents=True)
    mask = np.zeros((32, 64), np.uint8)
    mask[8:16, 8:30] = 1
    cv2.imwrite(str(folder / 'labels_masks' / 'a.png'), mask)
    cv2.imwrite(str(folder / 'images' / 'a.png'), np.full((32, 64, 3), 90, np.uint8))
    # Two rows of one training, which is there already: nothing is trained again.
    out = tmp_path / 'out'
    (out / 'full_0').mkdir(parents=True)
    for name in (DETECTOR, 'run.json'):
        (out / 'full_0' / name).write_bytes((place / 'dissimilarity' / name).read_bytes())
    before = sha256_file(out / 'full_0' / DETECTOR)
    arguments = [
        'tables', 'synboost', '--config', str(place / 'dissimilarity.yaml'), '--data',
        str(tmp_path), '--out', str(out), '--bundle', str(place / 'bundle'), '--synthesis',
        str(place / 'synthesis'), '--seeds', '0', '--accelerator', 'cpu',
    ]  # fmt: skip
    assert main([*arguments, '--variants', 'full,no_ensemble']) == 0
    results = json.loads((out / 'ablation.json').read_text('utf-8'))
    assert results['variants']['no_ensemble']['0']['ensemble'] == [1.0, 0.0, 0.0, 0.0]
    measured = out / 'full_0' / 'measured_full.json'
    content = json.loads(measured.read_text('utf-8'))
    content['sets']['fs_static']['synboost']['ap'] = 0.123
    measured.write_text(json.dumps(content), 'utf-8')
    assert main([*arguments, '--variants', 'no_ensemble']) == 0
    assert sha256_file(out / 'full_0' / DETECTOR) == before
    text = (out / 'ablation.md').read_text('utf-8')
    assert '| full framework | 0 | 12.3 / ' in text
    assert json.loads((out / 'ablation.json').read_text('utf-8'))['runs']['full_0']['steps'] == 2
    (out / 'ablation.md').unlink()
    assert main(['tables', 'markdown', str(out / 'ablation.json')]) == 0
    assert (out / 'ablation.md').read_text('utf-8') == text
    assert main([*arguments, '--steps', '0']) == 2
    assert "recipe key 'steps'" in capsys.readouterr().err
    assert main([*arguments, '--variants', 'half']) == 2
    assert "received the variant 'half', expected some of: full, " in capsys.readouterr().err


def test_table_has_mean_and_deviation_over_seeds() -> None:
    def row(ap: float) -> dict[str, Any]:
        figures = {name: {'auroc': 0.5, 'ap': ap, 'fpr95': 0.5}
                   for name in ('synboost', 'entropy', 'max_logit')}  # fmt: skip
        return {'sets': {'RoadAnomaly': figures}}

    variants = {'full': {'0': row(0.2), '1': row(0.4)}}
    text = markdown({'segmenter': 'street', 'size': '1x1', 'variants': variants})
    assert '| full framework | 0, 1 | 30.0 ± 14.1 / 50.0 ± 0.0 |' in text
    assert "| the segmenter's max logit | | 20.0 / 50.0 |" in text
