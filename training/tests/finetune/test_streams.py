# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A second stream learns beside a segmenter that stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.tiny_networks import STREETNET

from anomaly_seg_ros.detector import create_detector
from anomaly_seg_ros.models import EvidenceStream, ModelError, UnknownStream, create_segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.export import write_run_bundle
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.finetuning import FinetuneRun
from anomaly_seg_training.finetune.finished import start_of_run
from anomaly_seg_training.finetune.start import start_from_checkpoint
from anomaly_seg_training.finetune.stream import with_stream, without_stream
from anomaly_seg_training.finetune.worst import load_both
from anomaly_seg_training.pooling import Pooling
from anomaly_seg_training.training import as_half


def test_a_stream_learns_while_the_segmenter_stays(
    tune: Callable[..., Path], streetnet_weights: Path
) -> None:
    """What the run wrote gives the start's softmax, and lower logits."""
    out = tune(
        trained='stream', loss='energy_logistic', loss_options={}, id_weight=0.0,
        hold_weight=0.0, hold_logits_weight=0.0, ema=0.0, steps=2, validation_epochs=0,
    )  # fmt: skip
    weights, before = (
        load_file(out / 'weights.safetensors'),
        torch.load(streetnet_weights, weights_only=True),
    )
    # They are written in halves.
    rounded = as_half({f'base.{name}': value for name, value in before.items()})
    assert all(torch.equal(weights[name], value) for name, value in rounded.items())
    assert float(weights['stream.classifier.weight'].abs().max()) > 0
    about = json.loads((out / 'run.json').read_text('utf-8'))['start']
    assert about['segmenter'] == 'unknown_stream'
    network = start_of_run(about, out / 'weights.safetensors').network
    plain = create_segmenter('streetnet', num_classes=19, **STREETNET)
    plain.load_state_dict(before)
    image = torch.rand(1, 3, 64, 128)
    with torch.inference_mode():
        now, then = network(image), plain.eval()(image)
    torch.testing.assert_close(now.softmax(1), then.softmax(1), rtol=0, atol=1e-2)
    assert float((now - then).abs().max()) > 1e-3


def test_other_parts_are_trained_without_a_stream_beside_them(streetnet_weights: Path) -> None:
    recipe = FinetuneRecipe.from_dict(
        {
            'name': 'a',
            'shares': {'cityscapes': 1.0},
            'segmenter': 'streetnet',
            'options': STREETNET,
        }
    )
    alone = start_from_checkpoint(recipe, streetnet_weights)
    paired = with_stream(alone, 'unknown_stream', {'gain': 2.0})
    assert paired.spec.name == 'unknown_stream'
    with torch.no_grad():
        for parameter in paired.network.parameters():
            parameter.add_(0.01)
    again = with_stream(paired, 'unknown_stream', {'gain': 3.0, 'octaves': 2})
    assert again.spec.options['octaves'] == 2
    assert isinstance(again.network, UnknownStream)
    assert (again.network.gain, again.network.octaves) == (3.0, 2)
    kept = paired.network.state_dict()
    assert all(torch.equal(v, kept[name]) for name, v in again.network.state_dict().items())
    other = with_stream(paired, 'evidence_stream')
    assert other.spec.options == {'base': 'streetnet', 'base_options': STREETNET}
    back = without_stream(paired)
    assert back.spec == alone.spec
    assert back.network is paired.network.base
    assert without_stream(alone) is alone


def test_evidence_learns_while_the_classes_stay(
    tune: Callable[..., Path], streetnet_weights: Path
) -> None:
    """Any loss, held or not, trains the second stream; the segmenter's labels remain."""
    out = tune(trained='evidence', ema=0.0, steps=2, validation_epochs=0, hold_weight=1.0)
    about = json.loads((out / 'run.json').read_text('utf-8'))['start']
    assert about['segmenter'] == 'evidence_stream'
    network = start_of_run(about, out / 'weights.safetensors').network
    assert isinstance(network, EvidenceStream)
    before = as_half(torch.load(streetnet_weights, weights_only=True))
    assert all(torch.equal(value.half(), before[name].half())
               for name, value in network.base.state_dict().items())  # fmt: skip
    image = torch.rand(1, 3, 64, 128)
    with torch.inference_mode():
        plain, now, said = network.base(image), network(image), network.said(image)
    assert float((said - plain).abs().max()) > 1e-3
    torch.testing.assert_close(now.softmax(1), plain.softmax(1), rtol=0, atol=1e-4)
    torch.testing.assert_close(now.logsumexp(1), said.logsumexp(1), rtol=0, atol=1e-4)


def test_before_is_the_segmenter_whatever_a_fresh_stream_says(
    tune: Callable[..., Path], data: Path, streetnet_weights: Path
) -> None:
    """Octaves pool energies of other sizes, so a stream that has learnt nothing is no start."""
    alone = json.loads((tune(trained='last', steps=1) / 'run.json').read_text('utf-8'))
    out = tune(trained='evidence', steps=1, stream_octaves=2)
    about = json.loads((out / 'run.json').read_text('utf-8'))
    assert about['validation'][0] == alone['validation'][0]
    run = FinetuneRun(data=data, out=out, start_checkpoint=streetnet_weights, threads=1)
    before, after = load_both(run, Size(128, 64), 'cpu')
    assert before.card.segmenter.name == 'streetnet'
    assert after.card.segmenter.options['octaves'] == 2
    fresh = run.load_start(FinetuneRecipe.from_dict(about['recipe']))
    image = torch.rand(1, 3, 64, 128)
    with torch.inference_mode():
        difference = fresh.network(image) - without_stream(fresh).network(image)
    assert float(difference.abs().max()) > 1e-3, 'or the test would show nothing'


def test_a_run_is_exported_with_other_octaves(
    tune: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    """The weights are the run's; octaves, the card and the recipe in it are as asked for."""
    out = tune(trained='evidence', ema=0.0, steps=2, validation_epochs=0, stream_octaves=2,
               input_size='256x128', validation_size='256x128')  # fmt: skip
    plain = write_run_bundle(out, data, tmp_path / 'plain', threads=1)
    sharp = write_run_bundle(
        out, data, tmp_path / 'sharp', threads=1, pooling=Pooling(3, 2.0, True)
    )
    assert plain.card.segmenter.options['sharpness'] == 0
    options, recipe = sharp.card.segmenter.options, sharp.card.training['recipe']
    for key, value in {'octaves': 3, 'sharpness': 2, 'mirrored': True}.items():
        assert options[key] == recipe[f'stream_{key}'] == value
    assert plain.file('weights').read_bytes() == sharp.file('weights').read_bytes()
    network = create_detector(sharp).segmenter
    assert isinstance(network, EvidenceStream)
    assert (network.octaves, network.sharpness, network.mirrored) == (3, 2, True)
    with pytest.raises(ModelError, match='sharpness=-1.0, expected a finite number from 0'):
        write_run_bundle(out, data, tmp_path / 'other', threads=1, pooling=Pooling(sharpness=-1.0))
    assert not (tmp_path / 'other').exists()


def test_a_run_without_a_stream_pools_nothing(
    tune: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    out = tune(steps=1, validation_epochs=0)
    with pytest.raises(LabError, match='octaves=2, sharpness=1.0, but streetnet has no second'):
        write_run_bundle(out, data, tmp_path / 'b', threads=1, pooling=Pooling(2, 1.0))


def test_a_stream_refuses_losses_on_classes(tune: Callable[..., Path]) -> None:
    with pytest.raises(LabError, match='leaves the classes alone: its recipe needs loss energy_l'):
        tune(trained='stream', loss='energy_logistic', loss_options={}, id_weight=0.0)
