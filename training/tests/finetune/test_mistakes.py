# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong is one clear sentence, and loses nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from safetensors.torch import load_file
from support.tiny_networks import MASK2FORMER, STREETNET

from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_training.data import READERS, Example
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.module import FineTuning
from anomaly_seg_training.run_settings import WRITTEN


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'segmenter': ''}, "the recipe has no key 'segmenter'"),
        (
            {'segmenter': 'mask2former', 'options': {'config': MASK2FORMER}},
            'gives no logits by a layer of its own',
        ),
        ({'options': {**STREETNET, 'num_classes': 7}}, 'gives 7 logits for 19 classes'),
        ({'class_map': {'road': 'road'}}, "'class_map' gives nothing to the segmenter's classes"),
        ({'class_map': {'street': 'road'}}, "'class_map': 'street' is none of road, sidewalk"),
        ({'mixer_options': {'colour': 1}}, "unknown recipe key 'colour'"),
        ({'loss_options': {'k': 50}}, 'received k = 50 for a segmenter of 19 classes'),
        ({'proxies': {'annotations': 'absent.json', 'images': '.'}}, 'absent.json'),
        ({'validation': {'cityscapes': {'spilt': 'val'}}}, 'recipe key validation.cityscapes: '),
        (
            {'reader_options': {'video': {'step': 0}}},
            'recipe key reader_options.video.step: received 0, expected a whole number from 1 on',
        ),
        (
            {'reader_options': {'video': {'step': True}}},
            'recipe key reader_options.video.step: received True',
        ),
        (
            {
                'shares': {'cityscapes': 1.0, 'coco': 0.5},
                'reader_options': {'coco': {'unknown': True}},
            },
            'without which no object of',
        ),
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


def test_a_data_set_that_gives_nothing_is_named(
    tune: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the others would quietly take its share."""

    def nothing(root: Path, **_: Any) -> Iterator[Example]:
        yield from ()

    monkeypatch.setitem(READERS._components, 'nothing', nothing)
    with pytest.raises(LabError, match=r"the data sets \['nothing'\] give no image"):
        tune(shares={'cityscapes': 1.0, 'nothing': 0.1}, reader_options={})


def _with_own_start(tune: Callable[..., Path], folder: Path, changes: dict[str, Any]) -> None:
    name = changes.get('segmenter', 'streetnet')
    network = create_segmenter(name, **{'num_classes': 19, **changes['options']})
    torch.save(network.state_dict(), folder / 'own.pth')
    tune(settings={'start_checkpoint': folder / 'own.pth'}, **changes)


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


def test_a_gradient_that_is_no_number_stops_the_run(
    tune: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is one, and it is the last step before files are written."""
    real = FineTuning.training_step

    def steep(self: FineTuning, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        loss = real(self, batch, index)
        if self.global_step == 3:
            bias = self.network.classifier.bias
            # The root of 0 is 0, and infinitely steep.
            loss = loss + (bias - bias.detach()).sqrt().sum()
        assert torch.isfinite(loss)
        return loss

    monkeypatch.setattr(FineTuning, 'training_step', steep)
    with pytest.raises(LabError, match='the gradient is inf at step 3: lower learning_rate or'):
        tune(tmp_path)
    state = torch.load(tmp_path / 'last.ckpt', weights_only=True)
    assert state['global_step'] == 2
    for weights in (state['state_dict'], load_file(tmp_path / 'weights.safetensors')):
        assert all(bool(torch.isfinite(value).all()) for value in weights.values())


@pytest.mark.parametrize(
    ('settings', 'changes', 'name'),
    [({}, {'ood_weight': 0.7}, 'ood_weight'), ({'seed': 5}, {}, 'seed'), ({}, {}, 'start')],
)
def test_resuming_what_began_otherwise_is_a_clear_error(
    tune: Callable[..., Path], plain: Path, tmp_path: Path, streetnet_weights: Path,
    settings: dict[str, Any], changes: dict[str, Any], name: str,
) -> None:  # fmt: skip
    if name == 'start':
        state = torch.load(streetnet_weights, weights_only=True)
        torch.save({key: value + 1 for key, value in state.items()}, tmp_path / 'other.pth')
        settings = {'start_checkpoint': tmp_path / 'other.pth'}
    with pytest.raises(LabError, match=f'was trained with another {name}: resume'):
        tune(plain, settings={'resume': True, **settings}, **changes)


def test_checkpoints_of_before_are_resumed_but_compared(
    tune: Callable[..., Path], plain: Path, tmp_path: Path
) -> None:
    """They hold no seed, and recipe and start have another name."""
    state = torch.load(plain / 'last.ckpt', weights_only=True)
    state['finetune'] = state.pop('begun_with')
    assert state['finetune'].pop('seed') == 0
    torch.save(state, tmp_path / 'last.ckpt')
    tune(tmp_path, settings={'resume': True, 'seed': 5})
    torch.save(state, tmp_path / 'last.ckpt')
    with pytest.raises(LabError, match='was trained with another ood_weight: resume'):
        tune(tmp_path, settings={'resume': True}, ood_weight=0.7)


def test_resuming_from_a_cut_checkpoint_is_a_clear_error(
    tune: Callable[..., Path], plain: Path, tmp_path: Path
) -> None:
    whole = (plain / 'last.ckpt').read_bytes()
    (tmp_path / 'last.ckpt').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LabError, match=r'cannot resume from .*/last.ckpt \('):
        tune(tmp_path, settings={'resume': True})


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tune: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = torch.save

    def full(content: dict[str, Any], file: IO[bytes]) -> None:
        if content['global_step'] > 2:
            file.write(b'PK')
            raise OSError(28, 'No space left on device')
        real(content, file)

    monkeypatch.setattr(torch, 'save', full)
    # Neither is the system's temporary folder of any use.
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'absent'))
    with pytest.raises(OSError, match='No space left'):
        tune(tmp_path, validation_epochs=0)
    assert torch.load(tmp_path / 'last.ckpt', weights_only=True)['global_step'] == 2
    files = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert files == sorted(WRITTEN)


def test_a_new_run_in_a_used_folder_is_taken_for_no_other(
    tune: Callable[..., Path], plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at its first step, it leaves nothing to resume or export; a mistake loses nothing."""
    for name in WRITTEN:
        shutil.copy(plain / name, tmp_path)
    for changes in ({'mixer_options': {'colour': 1}}, {'settings': {'seed': -1}}):
        with pytest.raises(LabError):
            tune(tmp_path, **changes)
    for name in WRITTEN:
        assert (tmp_path / name).read_bytes() == (plain / name).read_bytes()

    def killed(self: FineTuning, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        raise ConnectionResetError

    monkeypatch.setattr(FineTuning, 'training_step', killed)
    with pytest.raises(ConnectionResetError):
        tune(tmp_path, validation_epochs=0)
    assert not any((tmp_path / name).exists() for name in WRITTEN)
    with pytest.raises(LabError, match='there is no checkpoint'):
        tune(tmp_path, settings={'resume': True})
