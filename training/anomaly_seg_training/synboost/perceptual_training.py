# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A perceptual network that is trained here, by labelling pixels."""

from __future__ import annotations

import math
from pathlib import Path

import lightning
import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.models.resynthesis import Vgg
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.run_settings import RunSettings
from anomaly_seg_training.synboost.crops import LabelledCrops, Pair
from anomaly_seg_training.synboost.pretrained import make_vgg
from anomaly_seg_training.synboost.recipe import PerceptualRecipe
from anomaly_seg_training.timed import TimedModule
from anomaly_seg_training.training import (
    WEIGHTS,
    Reporter,
    WeightsWriter,
    read_sources,
)


class PixelLabels(nn.Module):
    """A VGG and one linear classifier per level, whose logits are added up.

    Args:
        vgg: Whose features are to be learnt.
        classes: To tell apart.
    """

    def __init__(self, vgg: Vgg, classes: int) -> None:
        super().__init__()
        self.vgg = vgg
        self.heads = nn.ModuleList(nn.Conv2d(c, classes, 1) for c in vgg.channels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, H, W) RGB in [0, 1] to logits (N, classes, H, W)."""
        size = image.shape[2:]
        parts = [
            functional.interpolate(head(level), size, mode='bilinear', align_corners=False)
            for head, level in zip(self.heads, self.vgg(image), strict=True)
        ]
        return torch.stack(parts).sum(0)


class PerceptualTraining(TimedModule):
    """Train a VGG to label pixels.

    Args:
        recipe: Network and rates.
        seed: Of all draws.
        max_minutes: Time limit, None for none.
    """

    def __init__(self, recipe: PerceptualRecipe, seed: int, max_minutes: float | None) -> None:
        super().__init__(recipe.steps, seed, max_minutes, 0.0)
        self.recipe = recipe
        vgg = make_vgg(recipe.options, 'options')
        for module in vgg.modules():
            if isinstance(module, nn.Conv2d):
                # Without norms, signals must neither grow nor fade from layer to layer.
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        self.network = PixelLabels(vgg, len(CITYSCAPES))

    @property
    def trained(self) -> nn.Module:
        """VGG and classifiers."""
        return self.network

    @property
    def exported(self) -> nn.Module:
        """VGG and classifiers, not averaged."""
        return self.network

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        recipe = self.recipe
        return torch.optim.AdamW(
            self.network.parameters(), recipe.rate, weight_decay=recipe.weight_decay
        )

    def training_step(self, batch: Pair, batch_idx: int) -> torch.Tensor:
        """Return the cross entropy of labelled pixels."""
        del batch_idx
        self.seed_step()
        self.set_rates(self.recipe.rate * (1 + math.cos(math.pi * self.progress)) / 2)
        logits = self.network(batch['image'].float() / 255).float()
        labels = batch['labels'].long()
        known = labels != IGNORE
        losses = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction='sum')
        loss = losses / known.sum().clamp(min=1)
        right = (logits.argmax(1) == labels)[known].float().mean()
        self.log_dict({'loss': loss.detach(), 'accuracy': right}, on_step=False, on_epoch=True)
        return loss


def train_perceptual(recipe: PerceptualRecipe, run: RunSettings) -> Path:
    """Train by a recipe and write ``weights.safetensors`` and ``run.json`` into `run.out`.

    Returns:
        The path of the weights.

    Raises:
        LabError: The data or the checkpoint to resume cannot be used.
    """
    run.check()
    run.limit_threads()
    lightning.seed_everything(run.seed, verbose=False)
    sources = read_sources(recipe.shares, recipe.reader_options, run.data)
    module = PerceptualTraining(recipe, run.seed, run.max_minutes)
    about = {'kind': 'perceptual', 'recipe': recipe.as_dict(), 'seed': run.seed}
    path = run.out / WEIGHTS
    fit(
        module, recipe, run,
        lambda items, epoch: LabelledCrops(sources, recipe, items, run.seed, epoch),
        [Reporter(run.out, about), WeightsWriter(path, module.network.vgg.state_dict)],
    )  # fmt: skip
    return path
