# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all runs share: one clock for all processes, gradients that may be followed, resumption."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.run_settings import WRITTEN, RunSettings
from anomaly_seg_training.timed import Batch, TimedModule, refuse_changes

SCRIPT = Path(__file__).with_name('two_clocks.py')


@pytest.fixture(scope='module')
def parts() -> ModuleType:
    """The script's module: a tiny training."""
    spec = importlib.util.spec_from_file_location('two_clocks', SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(parts: ModuleType, out: Path, module: Any, **settings: Any) -> None:
    """Train for 6 steps in 3 epochs."""
    schedule = SimpleNamespace(steps=6, epoch_steps=2, batch=2, precision='32-true')
    place = RunSettings(data=out, out=out, devices='1', accelerator='cpu', **settings)
    fit(module, schedule, place, parts.Numbers, [])


def steep(parts: ModuleType, step: int) -> Any:
    """Return a module whose loss is finite at all steps, but its gradient is not at one."""

    class Steep(parts.Line):  # type: ignore[misc, name-defined]
        def training_step(self, batch: Batch, index: int) -> torch.Tensor:
            loss: torch.Tensor = super().training_step(batch, index)
            if self.global_step == step:
                weight = self.layer.weight
                # The root of 0 is 0, and infinitely steep.
                loss = loss + (weight - weight.detach()).sqrt().sum()
            assert torch.isfinite(loss)
            return loss

    return Steep()


def test_all_processes_have_the_first_ones_clock(tmp_path: Path) -> None:
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2',
        '--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0', str(SCRIPT), str(tmp_path),
    ]  # fmt: skip
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (json.loads((tmp_path / f'{n}.json').read_text()) for n in range(2))
    assert first == second
    assert first['seconds'] >= 30
    assert len(first['rates']) > 4
    assert first['rates'] == sorted(first['rates'], reverse=True)


def test_a_gradient_that_is_not_finite_is_not_followed(parts: ModuleType, tmp_path: Path) -> None:
    """At the last step of an epoch, after which everything is written."""
    module = steep(parts, 3)
    with pytest.raises(LabError, match='the gradient is inf at step 3: lower the learning rate;'):
        run(parts, tmp_path, module)
    state = torch.load(tmp_path / 'last.ckpt', weights_only=True)
    assert state['global_step'] == 2
    for weights in (state['state_dict'], module.state_dict()):
        assert all(bool(torch.isfinite(value).all()) for value in weights.values())


def test_gradients_are_clipped_as_by_lightning(
    parts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(limit: float | None) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        module = parts.Line()
        schedule = SimpleNamespace(steps=6, epoch_steps=2, batch=2, precision='32-true')
        place = RunSettings(data=tmp_path, out=tmp_path, devices='1', accelerator='cpu')
        fit(module, schedule, place, parts.Numbers, [], gradient_clip_val=limit)
        state: dict[str, torch.Tensor] = module.state_dict()
        return state

    limits = (0.5, None)
    own = [trained(limit) for limit in limits]
    monkeypatch.setattr(
        TimedModule, 'configure_gradient_clipping',
        lightning.LightningModule.configure_gradient_clipping,
    )  # fmt: skip
    for found, limit in zip(own, limits, strict=True):
        expected = trained(limit)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not torch.equal(own[0]['layer.weight'], own[1]['layer.weight'])


def test_the_scaler_of_half_precision_leaves_such_steps_out(parts: ModuleType) -> None:
    """It finds them while it looks for a scale; that is no reason to end a run."""
    module = steep(parts, 3)
    scaler = torch.amp.GradScaler('cpu')
    trainer = lightning.Trainer(
        accelerator='cpu', max_epochs=1, plugins=[MixedPrecision('16-mixed', 'cpu', scaler)],
        gradient_clip_val=5.0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(parts.Numbers(12, 0), 2))
    assert len(module.rates) == 6
    assert all(bool(torch.isfinite(value).all()) for value in module.state_dict().values())
    assert scaler.get_scale() < 2.0**16


def test_a_new_run_leaves_nothing_of_the_one_before(parts: ModuleType, tmp_path: Path) -> None:
    for name in WRITTEN:
        (tmp_path / name).write_text('of before')
    with pytest.raises(LabError, match='the gradient is inf at step 0'):
        run(parts, tmp_path, steep(parts, 0))
    assert not any((tmp_path / name).exists() for name in WRITTEN)


def test_a_run_that_cannot_begin_loses_nothing(parts: ModuleType, tmp_path: Path) -> None:
    for name in WRITTEN:
        (tmp_path / name).write_text('of before')
    schedule = SimpleNamespace(steps=6, epoch_steps=2, batch=2, precision='23-true')
    place = RunSettings(data=tmp_path, out=tmp_path, devices='1', accelerator='cpu')
    with pytest.raises(ValueError, match='23-true'):
        fit(parts.Line(), schedule, place, parts.Numbers, [])
    assert all((tmp_path / name).read_text() == 'of before' for name in WRITTEN)


def test_a_run_goes_on_with_its_own_seed_alone(parts: ModuleType, tmp_path: Path) -> None:
    run(parts, tmp_path, parts.Line(seed=1))
    with pytest.raises(LabError, match='was trained with another seed: resume with the same as'):
        run(parts, tmp_path, parts.Line(seed=2), resume=True)
    path = tmp_path / 'last.ckpt'
    state = torch.load(path, weights_only=True)
    assert state.pop('begun_with') == {'seed': 1}
    torch.save(state, path)
    # What an older version has not kept is no reason to refuse its checkpoints.
    run(parts, tmp_path, parts.Line(seed=2), resume=True)


def test_what_has_changed_is_named() -> None:
    now = {'steps': 6, 'ema': 0.5, 'seed': 1}
    refuse_changes(now, now)
    refuse_changes({'steps': 6}, now)
    refuse_changes({**now, 'dropped': True}, now)
    with pytest.raises(LabError, match='with another steps, seed: resume'):
        refuse_changes({'steps': 7, 'seed': 0, 'ema': 0.5}, now)
