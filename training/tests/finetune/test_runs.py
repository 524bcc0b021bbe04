# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny fine-tuning: what moves, what it learns, resumption, what it writes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources.synthetic import SyntheticSource
from anomaly_seg_ros.synthetic import SceneConfig
from anomaly_seg_training.finetune.blending import Blend
from anomaly_seg_training.finetune.module import FineTuning


def _same(first: Path, second: Path) -> bool:
    one, two = (load_file(folder / 'weights.safetensors') for folder in (first, second))
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_says_what_it_did(plain: Path) -> None:
    about = json.loads((plain / 'run.json').read_text('utf-8'))
    assert about['steps'] == 6
    assert about['images'] == {'cityscapes': 3, 'video': 2}
    assert about['proxies'] == 2
    assert about['proxy_categories'] == ['cow']
    assert about['steps_per_second'] > 0
    assert about['images_per_second'] == pytest.approx(2 * about['steps_per_second'], rel=0.01)
    assert 0 < about['waited_for_data'] < 1
    assert about['start']['checkpoint'] == 'streetnet.pth'
    assert [entry['step'] for entry in about['validation']] == [0, 6]
    for entry in about['validation']:
        assert 0 <= entry['miou'] <= 1
        assert set(entry['max_logit']) == {'auroc', 'ap', 'fpr95'}


@pytest.mark.parametrize('share', [0.0, 0.25])
def test_a_resumed_run_ends_like_an_unbroken_one(
    tune: Callable[..., Path], plain: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    share: float,
) -> None:  # fmt: skip
    """Broken in the third epoch, continued from the checkpoint of the second."""
    real = FineTuning.training_step
    unbroken = tune(start_share=share) if share else plain

    def broken(self: FineTuning, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        if self.global_step == 5:
            raise ConnectionResetError
        return real(self, batch, index)

    monkeypatch.setattr(FineTuning, 'training_step', broken)
    with pytest.raises(ConnectionResetError):
        tune(tmp_path, start_share=share)
    monkeypatch.setattr(FineTuning, 'training_step', real)
    assert not _same(unbroken, tmp_path)
    tune(tmp_path, start_share=share, settings={'resume': True})
    assert _same(unbroken, tmp_path)
    first, second = (
        json.loads((folder / 'run.json').read_text('utf-8'))['validation']
        for folder in (unbroken, tmp_path)
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
    tune: Callable[..., Path], streetnet_weights: Path, trained: str, moving: tuple[str, ...]
) -> None:
    """Statistics of batch norms never do, and no parameter of another part."""
    out = tune(trained=trained, ema=0.0, steps=2, validation_epochs=0)
    state = torch.load(out / 'last.ckpt', weights_only=False)['state_dict']
    before = torch.load(streetnet_weights, weights_only=True)
    moved = {name for name in before if not torch.equal(before[name], state[f'network.{name}'])}
    parameters = {name for name in before if 'running' not in name and 'num_batches' not in name}
    # The biases of convolutions before a ReLU that is off may stay by chance, weights do not.
    expected = {name for name in parameters if name.startswith(moving)}
    assert moved <= expected
    assert {name for name in expected if name.endswith('weight')} <= moved
    assert len(state) == len(before), 'the frozen start is in the checkpoint'


def test_a_share_of_the_start_is_exported(
    tune: Callable[..., Path], plain: Path, streetnet_weights: Path
) -> None:
    """Training does not see it, so the checkpoint's average is that of the plain run."""
    out = tune(start_share=0.25)
    average = torch.load(out / 'last.ckpt', weights_only=False)['state_dict']
    same = torch.load(plain / 'last.ckpt', weights_only=False)['state_dict']
    assert average.keys() == same.keys()
    assert all(torch.equal(average[name], same[name]) for name in same)
    start = torch.load(streetnet_weights, weights_only=True)
    exported = load_file(out / 'weights.safetensors')
    for name, value in exported.items():
        own = average[f'average.{name}']
        expected = 0.75 * own + 0.25 * start[name] if 'num_batches' not in name else own
        torch.testing.assert_close(value.float(), expected.half().float(), rtol=2e-3, atol=1e-6)
    assert not _same(plain, out)
    first, second = (
        json.loads((folder / 'run.json').read_text('utf-8'))['validation']
        for folder in (plain, out)
    )
    assert first[0] == second[0], 'before the training there is nothing to blend'
    assert first[-1] != second[-1]


def test_blends_that_validation_asks_for_can_be_written_later() -> None:
    """Validation runs in inference mode, and there the network may have to change its device."""
    start = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    blend = Blend(start, 0.25)
    trained = copy.deepcopy(start).to('meta')
    with torch.inference_mode():
        blend(trained)
    assert not any(value.is_inference() for value in blend(trained).state_dict().values())


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
