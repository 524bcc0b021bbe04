# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every training's loop: Lightning over a recipe's schedule, with new items each epoch."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import lightning
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from torch.utils.data import Dataset

from anomaly_seg_training.checkpoints import WholeCheckpoints
from anomaly_seg_training.epochs import Epochs
from anomaly_seg_training.run_settings import CHECKPOINT, WRITTEN, RunSettings


class Schedule(Protocol):
    """What recipes say of their length."""

    @property
    def steps(self) -> int:
        """At most."""

    @property
    def epoch_steps(self) -> int:
        """Steps between checkpoints."""

    @property
    def batch(self) -> int:
        """Items per step and device."""

    @property
    def precision(self) -> str:
        """Lightning's, like ``32-true``."""


class FreshStart(Callback):
    """Remove what earlier runs have left, when the first step of a new one is about to be taken.

    If that is killed in its first epoch, nothing of another run is resumed or exported for it. No
    input can be wrong any more by then: a mistake loses nothing.

    Args:
        files: What earlier runs may have left.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Remove the files."""
        del pl_module
        if trainer.is_global_zero:
            for path in self.files:
                path.unlink(missing_ok=True)


def fit(
    module: lightning.LightningModule,
    schedule: Schedule,
    run: RunSettings,
    draw: Callable[[int, int], Dataset[Any]],
    callbacks: Sequence[Callback],
    leftovers: Sequence[Path] = (),
    **options: Any,
) -> None:
    """Train a module; several devices average gradients by DDP.

    Args:
        module: What is trained.
        schedule: How long, in which precision.
        run: Where; it goes on from its checkpoint if it says so.
        draw: Takes the items of an epoch, those of all devices, and its number.
        callbacks: What runs before each checkpoint is written.
        leftovers: Files of earlier runs that a new one removes, beside those in its folder.
        **options: Of ``lightning.Trainer``, beside or instead of what is set here.

    Raises:
        LabError: The checkpoint to resume cannot be read or is of a run that began otherwise, or
            loss or gradient are not finite.
    """
    interactive = sys.stderr.isatty()
    checkpoints = ModelCheckpoint(
        dirpath=run.out,
        filename=Path(CHECKPOINT).stem,
        every_n_epochs=1,
        save_top_k=1,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    bars: list[Callback] = [TQDMProgressBar(refresh_rate=5)] if interactive else []
    # First, since a measurement of the start may take minutes.
    fresh: list[Callback] = []
    if not run.resume:
        fresh.append(FreshStart([*(run.out / name for name in WRITTEN), *leftovers]))
    settings: dict[str, Any] = {
        'accelerator': run.accelerator,
        'devices': run.devices if run.devices == 'auto' else int(run.devices),
        'num_nodes': run.nodes,
        'strategy': 'auto',
        'precision': schedule.precision,
        # Not max_steps: with it Lightning repeats a part of the last epoch after a resume.
        'max_epochs': math.ceil(schedule.steps / schedule.epoch_steps),
        'gradient_clip_val': 5.0,
        'callbacks': [*fresh, *callbacks, checkpoints, *bars],
        'plugins': [WholeCheckpoints()],
        'logger': False,
        'enable_progress_bar': interactive,
        'enable_model_summary': False,
        'reload_dataloaders_every_n_epochs': 1,
        'use_distributed_sampler': True,
        'default_root_dir': run.out,
    }
    lightning.Trainer(**(settings | options)).fit(
        module,
        datamodule=Epochs(draw, schedule.epoch_steps, schedule.batch, run.workers),
        ckpt_path=str(run.checkpoint) if run.resume else None,
    )
