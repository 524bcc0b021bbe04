# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny fine-tuning: what moves, what stays, resumption, errors, the bundle at its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.models import EvidenceStream, create_segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources.synthetic import SyntheticSource
from anomaly_seg_ros.synthetic import SceneConfig
from anomaly_seg_training import calibrate, export
from anomaly_seg_training.data import Example
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.dataset import pseudo_labelled
from anomaly_seg_training.finetune.finetuning import FinetuneRun, finetune
from anomaly_seg_training.finetune.finished import start_of_run
from anomaly_seg_training.finetune.module import FineTuning, on_grid, poly
from anomaly_seg_training.finetune.start import start_from_checkpoint
from anomaly_seg_training.finetune.stream import with_stream, without_stream
from anomaly_seg_training.main import main
from anomaly_seg_training.training import as_half

NETWORK = {'widths': [8, 8, 16, 16], 'depths': [1, 1, 1, 1], 'neck': 8, 'head': 8}
RECIPE: dict[str, Any] = {
    'name': 'tiny', 'segmenter': 'streetnet', 'options': NETWORK,
    'shares': {'cityscapes': 0.7, 'video': 0.3}, 'reader_options': {'video': {'step': 3}},
    'pseudo_labels': 0.05, 'input_size': '128x64', 'crop': '64x64', 'scale': [0.2, 0.3],
    'mixer_options': {'probability': 0.7}, 'loss_options': {'k': 5}, 'ood_weight': 0.5,
    'hold_weight': 1.0, 'hold_logits_weight': 0.1, 'hold_margin': 1, 'dropout': True,
    'batch': 2, 'steps': 6, 'epoch_steps': 2, 'learning_rate': 0.01, 'ema': 0.5, 'distort': True,
    'validation_frames': 2, 'validation_size': '128x64', 'validation_epochs': 3,
}  # fmt: skip
QUERIES = {
    'backbone_config': {
        'embed_dim': 12, 'depths': [1, 1, 1, 1], 'num_heads': [1, 1, 2, 2], 'window_size': 4,
        'out_features': ['stage1', 'stage2', 'stage3', 'stage4'],
    },
    'feature_size': 32, 'mask_feature_size': 32, 'hidden_dim': 32, 'num_attention_heads': 2,
    'encoder_feedforward_dim': 32, 'dim_feedforward': 16, 'encoder_layers': 1,
    'decoder_layers': 2, 'num_queries': 6,
}  # fmt: skip
SQUARE = [[20.0, 10.0, 80.0, 10.0, 80.0, 70.0, 20.0, 70.0]]

Save = Callable[[Path, np.ndarray], None]


@pytest.fixture(scope='module')
def proxies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two photographs of red cows, as a recipe names them."""
    import cv2

    folder = tmp_path_factory.mktemp('coco')
    images, items = [], []
    for number in range(2):
        photograph = np.full((80, 100, 3), (10, 10, 250 - 40 * number), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), photograph)
        images.append({'id': number, 'file_name': f'{number}.png'})
        items.append({
            'image_id': number, 'category_id': 21, 'segmentation': SQUARE, 'area': 3600.0,
            'iscrowd': 0,
        })  # fmt: skip
    content = {
        'images': images, 'annotations': items,
        'categories': [{'id': 21, 'name': 'cow'}, {'id': 3, 'name': 'car'}],
    }  # fmt: skip
    (folder / 'instances.json').write_text(json.dumps(content))
    return {'annotations': str(folder / 'instances.json'), 'images': str(folder)}


@pytest.fixture(scope='module')
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tiny network whose batch norms have seen something."""
    torch.manual_seed(0)
    network = create_segmenter('streetnet', num_classes=19, **NETWORK)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(2, 3, 64, 64))
    path = tmp_path_factory.mktemp('start') / 'streetnet.pth'
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope='module')
def tune(
    data: Path, start: Path, proxies: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Fine-tune without making a bundle; return the folder of the run."""

    def run(
        out: Path | None = None, *, settings: dict[str, Any] | None = None, **changes: Any
    ) -> Path:
        out = out or tmp_path_factory.mktemp('out')
        content = RECIPE | {'proxies': proxies, 'validation_proxies': proxies} | changes
        recipe = FinetuneRecipe.from_dict(content)
        options = {'start_checkpoint': start, 'devices': '1', 'accelerator': 'cpu', 'threads': 1}
        finetune(recipe, FinetuneRun(data=data, out=out, **(options | (settings or {}))))
        return out

    return run


@pytest.fixture(scope='module')
def plain(tune: Callable[..., Path]) -> Path:
    """An unbroken run."""
    return tune()


def _same(first: Path, second: Path) -> bool:
    one, two = (load_file(folder / 'weights.safetensors') for folder in (first, second))
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_says_what_it_did(plain: Path) -> None:
    about = json.loads((plain / 'run.json').read_text('utf-8'))
    assert about['steps'] == 6
    assert about['images'] == {'cityscapes': 3, 'video': 2}
    assert about['proxies'] == 2
    assert about['steps_per_second'] > 0
    assert about['images_per_second'] == pytest.approx(2 * about['steps_per_second'], rel=0.01)
    assert 0 < about['waited_for_data'] < 1
    assert about['start']['checkpoint'] == 'streetnet.pth'
    assert [entry['step'] for entry in about['validation']] == [0, 6]
    for entry in about['validation']:
        assert 0 <= entry['miou'] <= 1
        assert set(entry['max_logit']) == {'auroc', 'ap', 'fpr95'}


def test_a_resumed_run_ends_like_an_unbroken_one(
    tune: Callable[..., Path], plain: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Broken in the third epoch, continued from the checkpoint of the second."""
    real = FineTuning.training_step

    def broken(self: FineTuning, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        if self.global_step == 5:
            raise ConnectionResetError
        return real(self, batch, index)

    monkeypatch.setattr(FineTuning, 'training_step', broken)
    with pytest.raises(ConnectionResetError):
        tune(tmp_path)
    monkeypatch.setattr(FineTuning, 'training_step', real)
    assert not _same(plain, tmp_path)
    tune(tmp_path, settings={'resume': True})
    assert _same(plain, tmp_path)
    first, second = (
        json.loads((folder / 'run.json').read_text('utf-8'))['validation']
        for folder in (plain, tmp_path)
    )
    assert first == second


def test_loader_processes_change_nothing(tune: Callable[..., Path], plain: Path) -> None:
    assert _same(plain, tune(settings={'workers': 1}))


def test_another_seed_gives_others(tune: Callable[..., Path], plain: Path) -> None:
    assert not _same(plain, tune(settings={'seed': 1}))


@pytest.mark.parametrize(
    ('trained', 'moving'),
    [
        ('last', ('classifier.',)),
        ('head', ('context.', 'lateral', 'fuse', 'reduce.', 'classifier.')),
        ('all', ('',)),
    ],
)
def test_only_the_trained_part_moves(
    tune: Callable[..., Path], start: Path, trained: str, moving: tuple[str, ...]
) -> None:
    """Statistics of batch norms never do, and no parameter of another part."""
    out = tune(trained=trained, ema=0.0, steps=2, validation_epochs=0)
    state = torch.load(out / 'last.ckpt', weights_only=False)['state_dict']
    before = torch.load(start, weights_only=True)
    moved = {name for name in before if not torch.equal(before[name], state[f'network.{name}'])}
    parameters = {name for name in before if 'running' not in name and 'num_batches' not in name}
    # The biases of convolutions before a ReLU that is off may stay by chance, weights do not.
    expected = {name for name in parameters if name.startswith(moving)}
    assert moved <= expected
    assert {name for name in expected if name.endswith('weight')} <= moved
    assert len(state) == len(before), 'the frozen start is in the checkpoint'


def test_a_stream_learns_while_the_segmenter_stays(tune: Callable[..., Path], start: Path) -> None:
    """What the run wrote gives the start's softmax, and lower logits."""
    out = tune(
        trained='stream', loss='energy_logistic', loss_options={}, id_weight=0.0,
        hold_weight=0.0, hold_logits_weight=0.0, ema=0.0, steps=2, validation_epochs=0,
    )  # fmt: skip
    weights, before = load_file(out / 'weights.safetensors'), torch.load(start, weights_only=True)
    # They are written in halves.
    rounded = as_half({f'base.{name}': value for name, value in before.items()})
    assert all(torch.equal(weights[name], value) for name, value in rounded.items())
    assert float(weights['stream.classifier.weight'].abs().max()) > 0
    about = json.loads((out / 'run.json').read_text('utf-8'))['start']
    assert about['segmenter'] == 'unknown_stream'
    network = start_of_run(about, out / 'weights.safetensors').network
    plain = create_segmenter('streetnet', num_classes=19, **NETWORK)
    plain.load_state_dict(before)
    image = torch.rand(1, 3, 64, 128)
    with torch.inference_mode():
        now, then = network(image), plain.eval()(image)
    torch.testing.assert_close(now.softmax(1), then.softmax(1), rtol=0, atol=1e-2)
    assert float((now - then).abs().max()) > 1e-3


def test_other_parts_are_trained_without_a_stream_beside_them(start: Path) -> None:
    recipe = FinetuneRecipe.from_dict(
        {'name': 'a', 'shares': {'cityscapes': 1.0}, 'segmenter': 'streetnet', 'options': NETWORK}
    )
    alone = start_from_checkpoint(recipe, start)
    paired = with_stream(alone, 'unknown_stream', {'gain': 2.0})
    assert paired.spec.name == 'unknown_stream'
    assert with_stream(paired, 'unknown_stream') is paired
    other = with_stream(paired, 'evidence_stream')
    assert other.spec.options == {'base': 'streetnet', 'base_options': NETWORK}
    back = without_stream(paired)
    assert back.spec == alone.spec
    assert back.network is paired.network.base
    assert without_stream(alone) is alone


def test_evidence_learns_while_the_classes_stay(tune: Callable[..., Path], start: Path) -> None:
    """Any loss, held or not, trains the second stream; the segmenter's labels remain."""
    out = tune(trained='evidence', ema=0.0, steps=2, validation_epochs=0, hold_weight=1.0)
    about = json.loads((out / 'run.json').read_text('utf-8'))['start']
    assert about['segmenter'] == 'evidence_stream'
    network = start_of_run(about, out / 'weights.safetensors').network
    assert isinstance(network, EvidenceStream)
    before = as_half(torch.load(start, weights_only=True))
    assert all(torch.equal(value.half(), before[name].half())
               for name, value in network.base.state_dict().items())  # fmt: skip
    image = torch.rand(1, 3, 64, 128)
    with torch.inference_mode():
        plain, now, said = network.base(image), network(image), network.said(image)
    assert float((said - plain).abs().max()) > 1e-3
    torch.testing.assert_close(now.softmax(1), plain.softmax(1), rtol=0, atol=1e-4)
    torch.testing.assert_close(now.logsumexp(1), said.logsumexp(1), rtol=0, atol=1e-4)


def test_a_stream_refuses_losses_on_classes(tune: Callable[..., Path]) -> None:
    with pytest.raises(LabError, match='leaves the classes alone: its recipe needs loss energy_l'):
        tune(trained='stream', loss='energy_logistic', loss_options={}, id_weight=0.0)


@pytest.mark.parametrize('loss', ['pebal', 'maxent', 'energy'])
def test_every_kind_of_loss_runs(tune: Callable[..., Path], loss: str) -> None:
    mixer = 'maxent' if loss == 'maxent' else 'coco_dag'
    out = tune(
        loss=loss, loss_options={}, mixer=mixer, mixer_options={}, trained='last', steps=2,
        aligner='lab', validation_epochs=0, hold_weight=0.0, hold_logits_weight=0.0,
    )  # fmt: skip
    weights = load_file(out / 'weights.safetensors')
    # PEBAL's extra output is no class.
    assert len(weights['classifier.weight']) == 19


def test_half_precision_trains_weights_of_full_precision(
    tune: Callable[..., Path], plain: Path
) -> None:
    out = tune(precision='bf16-mixed', validation_epochs=0)
    state = torch.load(out / 'last.ckpt', weights_only=False)['state_dict']
    assert state['network.classifier.weight'].dtype == torch.float32
    first, second = (
        load_file(folder / 'weights.safetensors')['classifier.weight'].float()
        for folder in (plain, out)
    )
    assert 0 < torch.dist(first, second) < 0.1 * first.norm()


def test_it_learns(tune: Callable[..., Path], plain: Path) -> None:
    """Red cows on generated streets: the largest logit soon tells them."""
    out = tune(
        steps=70, epoch_steps=70, validation_epochs=1, trained='all', ood_weight=1.0, ema=0.0,
        mixer_options={'probability': 1.0}, dropout=False,
    )  # fmt: skip
    before, after = json.loads((out / 'run.json').read_text('utf-8'))['validation']
    assert after['max_logit']['auroc'] > max(0.8, before['max_logit']['auroc'] + 0.1)


def test_a_bag_without_labels_is_enough(tune: Callable[..., Path], tmp_path: Path) -> None:
    """The start's own predictions hold the network, pasted objects teach it."""
    clip = SceneConfig(size=Size(128, 64), seed=9, frames=6, unknown_objects=0)
    record(SyntheticSource(clip), tmp_path / 'drive', start=1.0)
    out = tune(
        tmp_path / 'out', shares={'bags': 1.0}, validation_epochs=0,
        reader_options={'bags': {'paths': [str(tmp_path / 'drive')], 'step': 2, 'labels': False}},
        pseudo_labels=0.05,
    )  # fmt: skip
    assert json.loads((out / 'run.json').read_text('utf-8'))['images'] == {'bags': 3}


def test_predictions_label_what_is_sure(start: Path) -> None:
    recipe = FinetuneRecipe.from_dict(RECIPE)
    segmenter = start_from_checkpoint(recipe, start)
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    bare = Example('a', image, None, Size(128, 64))
    known = Example('b', image, np.zeros((64, 128), np.uint8), Size(128, 64))
    with torch.inference_mode():
        batch = segmenter.normalise(torch.from_numpy(image).permute(2, 0, 1)[None])
        middle = float(segmenter.network(batch).softmax(1).amax(1).median())
    shares = {}
    for sure in (0.0, middle, 0.99):
        first, second = pseudo_labelled([bare, known], segmenter, sure)
        assert second is known
        assert first.labels is not None
        shares[sure] = float((first.labels != 255).mean())
    assert shares[0.0] == 1
    assert 0.2 < shares[middle] < 0.8
    assert shares[0.99] == 0
    assert pseudo_labelled([bare], segmenter, 1.0)[0].labels is None


def test_a_loss_that_is_no_number_stops_the_run(
    tune: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of the epoch before is whole; nothing else is left."""
    real = FineTuning.training_step

    def spoiled(self: FineTuning, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        if self.global_step == 3:
            with torch.no_grad():
                self.network.classifier.bias.fill_(float('nan'))
        return real(self, batch, index)

    monkeypatch.setattr(FineTuning, 'training_step', spoiled)
    with pytest.raises(LabError, match='the loss is (nan|inf) at step 3 .*lower learning_rate'):
        tune(tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert files == ['last.ckpt', 'run.json', 'weights.safetensors']
    state = torch.load(tmp_path / 'last.ckpt', weights_only=False)
    assert state['global_step'] == 2
    assert all(bool(torch.isfinite(v).all()) for v in state['state_dict'].values())


def test_resuming_with_another_recipe_is_a_clear_error(
    tune: Callable[..., Path], plain: Path
) -> None:
    with pytest.raises(LabError, match='was trained with another ood_weight: resume'):
        tune(plain, settings={'resume': True}, ood_weight=0.7)


def test_curves_and_pictures_are_written(plain: Path) -> None:
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(plain / 'curves'))
    events.Reload()
    tags = events.Tags()
    assert {'known', 'unknown', 'held', 'learning_rate', 'max_logit/ap'} <= set(tags['scalars'])
    assert tags['images'] == ['scene 0', 'scene 1']
    image = events.Images('scene 0')[0]
    assert (image.width, image.height) == (3 * 128, 64)


@pytest.fixture
def _small_bundle() -> Iterator[None]:
    """Two generated clips are enough to choose a score by, and one score to export it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrate, 'CLIPS', 2)
        patch.setattr(export, 'REFINEMENTS_DEFAULT', ('none',))
        patch.setattr(export, 'SCORES', ('max_logit',))
        yield


@pytest.mark.usefixtures('_small_bundle')
def test_the_command_ends_with_a_bundle_that_can_be_tuned_again(
    data: Path, start: Path, proxies: dict[str, Any], tmp_path: Path
) -> None:
    content = RECIPE | {
        'proxies': proxies, 'steps': 2, 'trained': 'last', 'validation_epochs': 0,
        'licence': {'start': 'free'},
    }  # fmt: skip
    config = tmp_path / 'recipe.yaml'
    config.write_text(yaml.safe_dump(content))
    arguments = [
        'train', 'finetune', '--config', str(config), '--data', str(data), '--threads', '1',
        '--accelerator', 'cpu', '--devices', '1',
    ]  # fmt: skip
    first, second = tmp_path / 'first', tmp_path / 'second'
    assert main([*arguments, '--checkpoint', str(start), '--out', str(first)]) == 0
    card = Bundle.open(first / 'bundle').card
    assert card.threshold is not None
    assert card.training['recipe']['loss'] == 'topk_ovr'
    assert card.licence == {'start': 'free'}
    bundle = ['--bundle', str(first / 'bundle'), '--no-bundle']
    content['segmenter'] = ''
    config.write_text(yaml.safe_dump(content))
    assert main([*arguments, *bundle, '--out', str(second)]) == 0
    about = json.loads((second / 'run.json').read_text('utf-8'))
    assert about['start']['bundle'] == 'tiny'
    assert about['start']['segmenter'] == 'streetnet'


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'segmenter': ''}, "the recipe has no key 'segmenter'"),
        (
            {'segmenter': 'mask2former', 'options': {'config': QUERIES}},
            'gives no logits by a layer of its own',
        ),
        ({'options': {**NETWORK, 'num_classes': 7}}, 'gives 7 logits for 19 classes'),
        ({'class_map': {'road': 'road'}}, "'class_map' gives nothing to the segmenter's classes"),
        ({'class_map': {'street': 'road'}}, "'class_map': 'street' is none of road, sidewalk"),
        ({'mixer_options': {'colour': 1}}, "unknown recipe key 'colour'"),
        ({'loss_options': {'k': 50}}, 'received k = 50 for a segmenter of 19 classes'),
        ({'proxies': {'annotations': 'absent.json', 'images': '.'}}, 'absent.json'),
    ],
)
def test_mistakes_are_one_clear_sentence(
    tune: Callable[..., Path], changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    if changes.get('segmenter') == 'mask2former':
        pytest.importorskip('transformers')
    with pytest.raises(LabError) as error:
        tune(**changes) if 'options' not in changes else _with_own_start(tune, tmp_path, changes)
    assert message in str(error.value)
    assert '\n' not in str(error.value)


def _with_own_start(tune: Callable[..., Path], folder: Path, changes: dict[str, Any]) -> None:
    name = changes.get('segmenter', 'streetnet')
    network = create_segmenter(name, **{'num_classes': 19, **changes['options']})
    torch.save(network.state_dict(), folder / 'own.pth')
    tune(settings={'start_checkpoint': folder / 'own.pth'}, **changes)


def test_the_schedule_is_a_polynomial() -> None:
    assert poly(0.0, 0.9, 0.0) == 1
    assert poly(0.5, 0.9, 0.0) == pytest.approx(0.5**0.9)
    assert poly(1.0, 0.9, 0.0) == 0
    assert poly(0.05, 0.9, 0.1) == pytest.approx(0.5)
    assert poly(0.1, 0.9, 0.1) == 1
    assert poly(0.55, 2.0, 0.1) == pytest.approx(0.25)


def test_grids_take_the_middle_of_each_cell() -> None:
    values = torch.arange(8 * 12).view(1, 8, 12)
    assert torch.equal(on_grid(values, torch.Size((8, 12))), values)
    found = on_grid(values, torch.Size((2, 3)))
    assert found.tolist() == [[[26, 30, 34], [74, 78, 82]]]


def test_two_processes_train_as_one(
    tune: Callable[..., Path], data: Path, start: Path, proxies: dict[str, Any], tmp_path: Path
) -> None:
    """``torchrun`` starts both; one of them measures and writes."""
    content = RECIPE | {
        'proxies': proxies, 'validation_proxies': proxies, 'steps': 4, 'validation_epochs': 2,
        'batch': 1,
    }  # fmt: skip
    (tmp_path / 'recipe.yaml').write_text(yaml.safe_dump(content))
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2',
        '--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0',
        '-m', 'anomaly_seg_training.main', 'train', 'finetune', '--config',
        str(tmp_path / 'recipe.yaml'), '--data', str(data), '--checkpoint', str(start), '--out',
        str(tmp_path / 'out'), '--devices', '2', '--accelerator', 'cpu', '--threads', '1',
        '--no-bundle',
    ]  # fmt: skip
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    about = json.loads((tmp_path / 'out' / 'run.json').read_text('utf-8'))
    assert (about['steps'], about['devices']) == (4, 2)
    assert [entry['step'] for entry in about['validation']] == [0, 4]
    assert done.stdout.count('weights.safetensors') == 1
    # The second process's crops count: one alone ends elsewhere, but not far away.
    tune(tmp_path / 'alone', batch=1, steps=4, validation_epochs=0)
    together, alone, first = (
        read(path)['classifier.weight'].float()
        for read, path in (
            (load_file, tmp_path / 'out' / 'weights.safetensors'),
            (load_file, tmp_path / 'alone' / 'weights.safetensors'),
            (lambda p: torch.load(p, weights_only=True), start),
        )
    )
    assert 0 < torch.dist(together, alone) < 2 * torch.dist(alone, first)
