# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A new set of items each epoch, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
from torch.utils.data import DataLoader, Dataset

from anomaly_seg_training.dataset import crop_loader


class Epochs(lightning.LightningDataModule):
    """Items that depend on seed, epoch and index alone, read in order.

    Args:
        draw: Takes the items of an epoch, those of all devices, and its number.
        steps: Per epoch.
        batch: Items per step and device.
        workers: Processes that make items; 0 for this one.
    """

    def __init__(
        self, draw: Callable[[int, int], Dataset[Any]], steps: int, batch: int, workers: int
    ) -> None:
        super().__init__()
        self.draw = draw
        self.steps = steps
        self.batch = batch
        self.workers = workers

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this epoch's items; they are drawn at random already."""
        trainer = self.trainer
        world, epoch = (trainer.world_size, trainer.current_epoch) if trainer else (1, 0)
        return crop_loader(self.draw(self.steps * self.batch * world, epoch), self.batch,
                           self.workers)  # fmt: skip
