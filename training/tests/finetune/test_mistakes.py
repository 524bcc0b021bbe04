# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong is one clear sentence, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_networks import MASK2FORMER, STREETNET

from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_training.data import READERS, Example
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.module import FineTuning


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


def test_resuming_with_another_recipe_is_a_clear_error(
    tune: Callable[..., Path], plain: Path
) -> None:
    with pytest.raises(LabError, match='was trained with another ood_weight: resume'):
        tune(plain, settings={'resume': True}, ood_weight=0.7)
