# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command: the bundle at its end, and several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from support.tiny_finetuning import RECIPE

from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources.synthetic import SyntheticSource
from anomaly_seg_ros.synthetic import SceneConfig
from anomaly_seg_training import calibrate, export
from anomaly_seg_training.main import main


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
    data: Path, streetnet_weights: Path, proxies: dict[str, Any], tmp_path: Path
) -> None:
    content = RECIPE | {
        'proxies': proxies, 'steps': 2, 'trained': 'last', 'validation_epochs': 0,
        'licence': {'start': 'free'}, 'shrinkage': {'mean': 0.5, 'std': 0.75},
    }  # fmt: skip
    config = tmp_path / 'recipe.yaml'
    config.write_text(yaml.safe_dump(content))
    arguments = [
        'train', 'finetune', '--config', str(config), '--data', str(data), '--threads', '1',
        '--accelerator', 'cpu', '--devices', '1',
    ]  # fmt: skip
    first, second = tmp_path / 'first', tmp_path / 'second'
    assert main([*arguments, '--checkpoint', str(streetnet_weights), '--out', str(first)]) == 0
    card = Bundle.open(first / 'bundle').card
    assert card.threshold is not None
    assert (card.shrinkage.mean, card.shrinkage.std) == (0.5, 0.75)
    assert card.training['recipe']['loss'] == 'topk_ovr'
    assert card.licence == {'start': 'free'}
    bundle = ['--bundle', str(first / 'bundle'), '--no-bundle']
    content['segmenter'] = ''
    config.write_text(yaml.safe_dump(content))
    assert main([*arguments, *bundle, '--out', str(second)]) == 0
    about = json.loads((second / 'run.json').read_text('utf-8'))
    assert about['start']['bundle'] == 'tiny'
    assert about['start']['segmenter'] == 'streetnet'
    assert about['start']['run'] == card.training, 'what a bundle was trained on is not lost'


@pytest.mark.usefixtures('_small_bundle')
def test_drives_without_labels_end_with_a_bundle(
    tune: Callable[..., Path], tmp_path: Path
) -> None:
    """Nothing else is there: the drives themselves calibrate, and no IoU is measured."""
    clip = SceneConfig(size=Size(128, 64), seed=9, frames=4, unknown_objects=0)
    record(SyntheticSource(clip), tmp_path / 'drive', start=1.0)
    out = tune(
        tmp_path / 'out', shares={'bags': 1.0}, validation_epochs=0, steps=2,
        reader_options={'bags': {'paths': ['drive'], 'step': 2, 'labels': False}},
        pseudo_labels=0.05, settings={'data': tmp_path},
    )  # fmt: skip
    assert (
        main(['export', '--run', str(out), '--data', str(tmp_path), '--out', str(out / 'b')]) == 0
    )
    card = Bundle.open(out / 'b').card
    entry = card.calibration['max_logit']
    assert entry['method'] == (
        "99.5 % quantile on frames of the recipe's bags, which are taken to be normal, which "
        'training has seen'
    )
    assert entry['pixels'] == 2 * 128 * 64 // 20 * 20 + 20, 'every 20th of each of two frames'
    assert set(card.measured) == {'synthetic clips with unknown objects (chose the score)'}


@pytest.mark.parametrize(
    ('shares', 'source', 'seen'),
    [
        ({'cityscapes': 1.0, 'bags': 1.0}, 'labelled pixels of cityscapes_mini/train', True),
        ({'bags': 1.0}, "frames of the recipe's bags, which are taken to be normal", True),
        ({'video': 1.0}, 'labelled pixels of generated scenes', False),
        ({'synthetic': 1.0}, 'labelled pixels of generated scenes', True),
    ],
)
def test_a_card_says_what_calibrated_it(
    shares: dict[str, float], source: str, *, seen: bool
) -> None:
    assert calibrate.labelled_source(shares) == source
    assert calibrate.seen_in_training(shares) is seen


def test_two_processes_train_as_one(
    tune: Callable[..., Path],
    data: Path,
    streetnet_weights: Path,
    proxies: dict[str, Any],
    tmp_path: Path,
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
        str(tmp_path / 'recipe.yaml'), '--data', str(data), '--checkpoint',
        str(streetnet_weights), '--out', str(tmp_path / 'out'), '--devices', '2',
        '--accelerator', 'cpu', '--threads', '1', '--no-bundle',
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
            (lambda p: torch.load(p, weights_only=True), streetnet_weights),
        )
    )
    assert 0 < torch.dist(together, alone) < 2 * torch.dist(alone, first)
