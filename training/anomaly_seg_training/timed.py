# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every training run here does: a schedule by steps or by time, averaged weights, seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.data import extract_batch_size
from torch import nn

from anomaly_seg_training.errors import LabError

Batch = dict[str, torch.Tensor]

BEGUN_WITH = 'begun_with'
"""Key of checkpoints: what a run that goes on from them must have, too."""


class TimedModule(lightning.LightningModule):
    """A run that ends by steps or by time, and goes on after a kill as if nothing had been.

    Subclasses define `trained` and `exported`, set learning rates by `progress`, and add to
    `begun_with` what else would let a resumed run end elsewhere. `history` is for what is measured
    on the way; it goes into checkpoints and the run's file. `seconds` is the first device's time
    on all devices, so that all have one progress; `waited` counts the seconds in which nothing was
    trained because the next crops were not there, `step_images` the pictures of one step on all
    devices. `remedy` is what to do about gradients that are not finite.

    Args:
        steps: The run ends here or when the time is up, whichever comes first.
        seed: Of all draws.
        max_minutes: Time limit, None for none.
        ema: Decay of the averaged weights; after t steps (1 + t) / (10 + t) at most, so that first
            steps are forgotten.
    """

    remedy = 'lower the learning rate'

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
        self._advance()
        if self.averaged is not None:
            self._move_average(self.averaged, self.trained)
        if self.progress >= 1.0:
            self.trainer.should_stop = True
        self._free = time.monotonic()

    def _advance(self) -> None:
        """Add the time since the last step.

        The first device's clock counts on all: by their own they would train at different rates,
        and stop at different steps.
        """
        now = time.monotonic()
        seconds, self._clock = self.seconds + now - self._clock, now
        self.seconds = self.trainer.strategy.broadcast(seconds)

    @torch.no_grad()
    def _move_average(self, average: nn.Module, trained: nn.Module) -> None:
        decay = min(self.ema, (1 + self.global_step) / (10 + self.global_step))
        for mean, parameter in zip(average.parameters(), trained.parameters(), strict=True):
            mean.lerp_(parameter, 1 - decay)
        for buffer, current in zip(average.buffers(), trained.buffers(), strict=True):
            buffer.copy_(current)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients by their norm as Lightning does, and refuse those that are not finite.

        The scaler of 16-mixed needs none of this: it leaves out such steps, and lowers its scale.

        Raises:
            LabError: They are not.
        """
        if self.trainer.scaler is None:
            self.clip_or_refuse(optimizer, gradient_clip_val or math.inf)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def clip_or_refuse(self, optimizer: torch.optim.Optimizer, largest: float = math.inf) -> None:
        """Clip gradients by their norm, unless it is not finite.

        A step along such gradients would make weights NaN that an epoch's end writes over whole
        ones, whatever the loss was.

        Args:
            optimizer: Whose gradients.
            largest: Norm that they shall have at most; they stay as they are without one.

        Raises:
            LabError: The norm is not finite.
        """
        weights = [weight for group in optimizer.param_groups for weight in group['params']]
        norm = nn.utils.clip_grad_norm_(weights, largest)
        if not torch.isfinite(norm):
            msg = (
                f'the gradient is {float(norm)} at step {self.global_step}: {self.remedy}; '
                'what was written before is still there'
            )
            raise LabError(msg)

    def set_rates(self, *rates: float) -> None:
        """Set the learning rate of each of the optimizer's groups."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        groups = optimizer.param_groups  # type: ignore[union-attr]
        for group, rate in zip(groups, rates, strict=True):
            group['lr'] = rate

    def begun_with(self) -> dict[str, Any]:
        """Return what a resumed run must have too, by name: the seed."""
        return {'seed': self.seed}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what a resumed run must have, the time spent, and what was measured."""
        checkpoint[BEGUN_WITH] = self.begun_with()
        checkpoint['seconds'] = self.seconds
        checkpoint['waited'] = self.waited
        checkpoint['history'] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue the time spent, if the run began as this one would.

        Raises:
            LabError: It did not, so that it would not end as an unbroken one.
        """
        refuse_changes(checkpoint.get(BEGUN_WITH, {}), self.begun_with())
        self.seconds = float(checkpoint['seconds'])
        self.waited = float(checkpoint.get('waited', 0.0))
        self.history = list(checkpoint.get('history', []))


def refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to resume a run that began with something else.

    Args:
        before: What it began with, by name.
        now: What is asked for; what an older version has not kept in `before` is not compared.

    Raises:
        LabError: They differ; names what does.
    """
    changed = [key for key, value in now.items() if key in before and before[key] != value]
    if changed:
        msg = (
            f'the checkpoint to resume was trained with another {", ".join(changed)}: resume '
            'with the same as before, or begin a new run in another --out'
        )
        raise LabError(msg)
