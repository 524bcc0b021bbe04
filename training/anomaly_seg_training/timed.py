# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every training run here does: a schedule by steps or by time, averaged weights, seeds."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.data import extract_batch_size
from torch import nn

Batch = dict[str, torch.Tensor]


class TimedModule(lightning.LightningModule):
    """A run that ends by steps or by time, and goes on after a kill as if nothing had been.

    Subclasses define `trained` and `exported`, and set learning rates by `progress`. `history` is
    for what is measured on the way; it goes into checkpoints and the run's file. `waited` counts
    the seconds in which nothing was trained because the next crops were not there, `step_images`
    the pictures of one step on all devices.

    Args:
        steps: The run ends here or when the time is up, whichever comes first.
        seed: Of all draws.
        max_minutes: Time limit, None for none.
        ema: Decay of the averaged weights; after t steps (1 + t) / (10 + t) at most, so that first
            steps are forgotten.
    """

    def __init__(self, steps: int, seed: int, max_minutes: float | None, ema: float) -> None:
        super().__init__()
        self.steps = steps
        self.seed = seed
        self.max_seconds = math.inf if max_minutes is None else 60 * max_minutes
        self.ema = ema
        self.seconds = 0.0
        self.waited = 0.0
        self.step_images = 0
        self.history: list[dict[str, Any]] = []
        self._clock = self._free = time.monotonic()

    @property
    def trained(self) -> nn.Module:
        """The network that is trained."""
        raise NotImplementedError

    @property
    def exported(self) -> nn.Module:
        """The network whose weights a run gives away; the trained one where none is averaged."""
        raise NotImplementedError

    @property
    def averaged(self) -> nn.Module | None:
        """The network whose weights follow the trained ones; None where none is averaged."""
        return None if self.exported is self.trained else self.exported

    @property
    def progress(self) -> float:
        """The done share of the run by steps or by time, whichever is ahead, 0 to 1."""
        steps = self.global_step / self.steps
        return min(1.0, max(steps, self.seconds / self.max_seconds))

    def seed_step(self) -> int:
        """Seed torch for this step and device, and return the seed.

        One seed per step, also for dropout: a resumed run draws what an unbroken one would.
        """
        seed = (self.seed * 1_000_003 + self.global_step) * 997 + self.global_rank
        torch.manual_seed(seed)
        return seed

    def on_train_start(self) -> None:
        """Start the clock; time spent before a resume is in `seconds` already."""
        self._clock = time.monotonic()

    def on_train_epoch_start(self) -> None:
        """Begin to wait for data; what was measured or written before is no waiting."""
        self._free = time.monotonic()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Count the time since the last step was done: the device had nothing to do."""
        del batch, batch_idx
        self.waited += time.monotonic() - self._free

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Move the averaged weights, advance the clock, stop when the time is up."""
        del outputs, batch_idx
        self.step_images = extract_batch_size(batch) * self.trainer.world_size
        now = time.monotonic()
        self.seconds, self._clock = self.seconds + now - self._clock, now
        if self.averaged is not None:
            self._move_average(self.averaged, self.trained)
        # All devices must stop at the same step: the first one's clock decides.
        progress = torch.tensor(self.progress, device=self.device)
        if self.trainer.world_size > 1:
            progress = self.trainer.strategy.broadcast(progress)
        if float(progress) >= 1.0:
            self.trainer.should_stop = True
        self._free = time.monotonic()

    @torch.no_grad()
    def _move_average(self, average: nn.Module, trained: nn.Module) -> None:
        decay = min(self.ema, (1 + self.global_step) / (10 + self.global_step))
        for mean, parameter in zip(average.parameters(), trained.parameters(), strict=True):
            mean.lerp_(parameter, 1 - decay)
        for buffer, current in zip(average.buffers(), trained.buffers(), strict=True):
            buffer.copy_(current)

    def set_rates(self, *rates: float) -> None:
        """Set the learning rate of each of the optimizer's groups."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        groups = optimizer.param_groups  # type: ignore[union-attr]
        for group, rate in zip(groups, rates, strict=True):
            group['lr'] = rate

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time spent, which the schedule depends on, and what was measured."""
        checkpoint['seconds'] = self.seconds
        checkpoint['waited'] = self.waited
        checkpoint['history'] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue the time spent."""
        self.seconds = float(checkpoint['seconds'])
        self.waited = float(checkpoint.get('waited', 0.0))
        self.history = list(checkpoint.get('history', []))
