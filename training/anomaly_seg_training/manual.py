# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs with a discriminator: two optimizers that are stepped by hand, and pages of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import nn

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.pictures import write_page
from anomaly_seg_training.timed import TimedModule


class ManualTraining(TimedModule):
    """A run with an optimizer of `trained`, then one of a discriminator.

    The steps that Lightning counts are those of `trained`.
    """

    remedy = 'lower the learning rate or raise the gradient penalty'

    def __init__(self, steps: int, seed: int, max_minutes: float | None, ema: float) -> None:
        super().__init__(steps, seed, max_minutes, ema)
        self.automatic_optimization = False

    def page(self) -> NDArray[np.uint8]:
        """Return pictures of what was learnt, (H, W, 3) uint8; draws nothing from torch's seed."""
        raise NotImplementedError

    def step(self, loss: torch.Tensor, rate: float) -> None:
        """Move `trained` along a loss.

        Raises:
            LabError: The loss or its gradient is not finite.
        """
        optimizer: Any = self.optimizers()[0]  # type: ignore[index]
        self._backward(optimizer, loss, rate)
        optimizer.step()

    def step_judge(self, loss: torch.Tensor, rate: float) -> None:
        """Move the discriminator along a loss; errors as for `step`."""
        optimizer: Any = self.optimizers(use_pl_optimizer=False)[1]  # type: ignore[index]
        self._backward(optimizer, loss, rate)
        # Not by Lightning's wrapper, which would count another step.
        optimizer.step()

    @contextmanager
    def fixed(self, network: nn.Module) -> Iterator[None]:
        """Keep a network without gradients of its weights."""
        network.requires_grad_(False)
        try:
            yield
        finally:
            network.requires_grad_(True)

    def _backward(self, optimizer: Any, loss: torch.Tensor, rate: float) -> None:
        if not torch.isfinite(loss):
            msg = (
                f'the loss of step {self.global_step} is not finite: lower the learning rate, '
                f'now {rate}, or raise the gradient penalty'
            )
            raise LabError(msg)
        for group in optimizer.param_groups:
            group['lr'] = rate
        optimizer.zero_grad(set_to_none=True)
        self.manual_backward(loss)
        self.clip_or_refuse(optimizer)


class Pages(Callback):
    """Write pictures every so many steps and at the end.

    Args:
        folder: Where to.
        name: Before the number of the step.
        every: Steps between pages.
    """

    def __init__(self, folder: Path, name: str, every: int) -> None:
        self.folder = folder
        self.name = name
        self.every = every

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        """Write a page where it is time."""
        if trainer.global_step % self.every == 0:
            self._write(pl_module, trainer.global_step)

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write the last page."""
        self._write(pl_module, trainer.global_step)

    def _write(self, module: lightning.LightningModule, step: int) -> None:
        assert isinstance(module, ManualTraining)
        write_page(self.folder, f'{self.name}_{step:06d}', module.page())
