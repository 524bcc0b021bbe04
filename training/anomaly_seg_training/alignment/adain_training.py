# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recipe of the AdaIN aligner: objects' photographs as content, the user's frames as style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from anomaly_seg_ros.size import Size
from anomaly_seg_training.alignment.adain_network import AdainNet, adain, moments
from anomaly_seg_training.crops import crop_image
from anomaly_seg_training.data import READERS, Example
from anomaly_seg_training.drawing import CropDraw, DrawnItems
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.recipe_file import Recipe, require
from anomaly_seg_training.run_settings import RunSettings
from anomaly_seg_training.tensors import channels_first
from anomaly_seg_training.timed import TimedModule
from anomaly_seg_training.training import WEIGHTS, Reporter, read_sources

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class AdainRecipe(Recipe):
    """How the auto-encoder is trained.

    Args:
        contents: Data set -> share of the content crops; ``coco`` has the photographs.
        styles: Data set -> share of the style crops: the frames that objects are pasted into.
        reader_options: Data set -> options of its reader.
        channels: Of the features at strides 1, 2 and 4.
        crop: Size of training crops, WIDTHxHEIGHT, multiples of 32.
        scale: Lowest and highest random scale, relative to each data set's view.
        batch: Crops of each kind per step and device.
        steps: Steps at most.
        epoch_steps: Steps between checkpoints.
        learning_rate: Peak of the schedule.
        content_weight: Weight of the content loss; that of the reconstruction is 1.
        style_weight: Weight of the style loss.
        precision: Lightning's precision.
    """

    contents: dict[str, float] = field(default_factory=lambda: {'coco': 1.0})
    styles: dict[str, float] = field(default_factory=lambda: {'cityscapes': 1.0})
    reader_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    channels: list[int] = field(default_factory=lambda: [32, 64, 128])
    crop: str = '128x128'
    scale: list[float] = field(default_factory=lambda: [0.5, 2.0])
    batch: int = 8
    steps: int = 4000
    epoch_steps: int = 100
    learning_rate: float = 1e-3
    content_weight: float = 0.05
    style_weight: float = 0.05
    precision: str = '32-true'

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.require_sizes('crop')
        self.require_scales('scale')
        self.require_shares(self.contents, self.reader_options, READERS)
        self.require_shares(self.styles, (), READERS)
        self.require_at_least(1, 'batch', 'steps', 'epoch_steps')
        self.require_at_least(0, 'content_weight', 'style_weight')
        self.require_positive('learning_rate')
        good = len(self.channels) == 3 and all(type(c) is int and c > 0 for c in self.channels)
        require(good, 'channels', self.channels, 'three whole numbers of at least 1')


class StylePairs(DrawnItems[Batch]):
    """Pairs of crops: `content` and `style`, (3, h, w) uint8 RGB each.

    Args:
        contents: Pictures by data set.
        styles: Pictures by data set.
        recipe: Shares, crop and scale.
        length: As for `DrawnItems`.
        seed: As for `DrawnItems`.
        epoch: As for `DrawnItems`.
    """

    def __init__(
        self,
        contents: dict[str, list[Example]],
        styles: dict[str, list[Example]],
        recipe: AdainRecipe,
        length: int,
        seed: int,
        epoch: int,
    ) -> None:
        super().__init__(length, seed, epoch)
        crop = Size.parse(recipe.crop)
        self.kinds = {
            'content': CropDraw(contents, recipe.contents, crop, recipe.scale),
            'style': CropDraw(styles, recipe.styles, crop, recipe.scale),
        }

    def draw(self, rng: np.random.Generator) -> Batch:
        """Return a pair."""
        item = {}
        for kind, crops in self.kinds.items():
            example, box = crops(rng)
            item[kind] = channels_first(crop_image(example.image, box, crops.size))
        return item


class AdainTraining(TimedModule):
    """Teach encoder and decoder to reconstruct, and the decoder to show exchanged statistics.

    The encoder learns from the reconstruction alone: style and content loss would otherwise be
    least when its features say nothing.

    Args:
        recipe: Rates and weights.
        seed: Of the weights.
        max_minutes: Time limit, None for none.
    """

    def __init__(self, recipe: AdainRecipe, seed: int, max_minutes: float | None) -> None:
        super().__init__(recipe.steps, seed, max_minutes, ema=0.0)
        self.recipe = recipe
        self.network = AdainNet(recipe.channels)

    @property
    def trained(self) -> nn.Module:
        """The auto-encoder."""
        return self.network

    @property
    def exported(self) -> nn.Module:
        """The auto-encoder; nothing is averaged."""
        return self.network

    def begun_with(self) -> dict[str, Any]:
        """Return what a resumed run must have too: the recipe's keys, and the seed."""
        return {**self.recipe.as_dict(), **super().begun_with()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam; `training_step` sets its rate."""
        return torch.optim.Adam(self.network.parameters(), self.recipe.learning_rate)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the sum of the weighted losses of one batch."""
        del batch_idx
        self.seed_step()
        self.set_rates(self.recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * self.progress)))
        content, style = (batch[kind].float() / 255 for kind in ('content', 'style'))
        losses = adain_losses(self.network, content, style)
        total = (
            losses['reconstruction']
            + self.recipe.content_weight * losses['content']
            + self.recipe.style_weight * losses['style']
        )
        if not torch.isfinite(total):
            msg = (
                f'the loss of step {self.global_step} is not finite: lower the learning rate, '
                f'now {self.recipe.learning_rate}'
            )
            raise LabError(msg)
        self.log_dict({**losses, 'loss': total}, on_step=False, on_epoch=True)
        return total


def adain_losses(
    network: AdainNet, content: torch.Tensor, style: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the losses of a batch, each a mean.

    Huang and Belongie's losses (equations 12 and 13), divided by the variance of the features
    that they compare, since an encoder that is learnt chooses its own scale.

    Args:
        network: The auto-encoder.
        content: (N, 3, h, w) RGB in [0, 1].
        style: (N, 3, h, w).

    Returns:
        `reconstruction`, the mean absolute error of both pictures; `content` and `style`, without
        gradients for the encoder.
    """
    encoded = [network.encode(images) for images in (content, style)]
    reconstruction = torch.stack(
        [
            functional.l1_loss(network.decode(levels[-1]), images)
            for levels, images in zip(encoded, (content, style), strict=True)
        ]
    ).mean()
    content_levels, style_levels = ([level.detach() for level in levels] for levels in encoded)
    target = adain(content_levels[-1], style_levels[-1])
    picture = network.decode(target)
    fixed = {name: value.detach() for name, value in network.named_parameters()}
    seen: Sequence[torch.Tensor] = functional_call(network, fixed, (picture,))
    scale = target.var().clamp(min=1e-6)
    content_loss = functional.mse_loss(seen[-1], target) / scale
    style_losses = []
    for level, wanted in zip(seen, style_levels, strict=True):
        scale = wanted.var().clamp(min=1e-6)
        for own, other in zip(moments(level), moments(wanted), strict=True):
            style_losses.append(functional.mse_loss(own, other) / scale)
    return {
        'reconstruction': reconstruction,
        'content': content_loss,
        'style': torch.stack(style_losses).sum(),
    }


def train_adain(recipe: AdainRecipe, run: RunSettings) -> Path:
    """Train by a recipe and write ``weights.safetensors`` and ``run.json`` into `run.out`.

    Returns:
        The path of the weights.

    Raises:
        LabError: The recipe, the data or the checkpoint to resume cannot be used, or the loss is
            not finite.
    """
    run.check()
    run.limit_threads()
    lightning.seed_everything(run.seed, verbose=False)
    contents, styles = (
        read_sources(shares, recipe.reader_options, run.data)
        for shares in (recipe.contents, recipe.styles)
    )
    for kind, sources in (('contents', contents), ('styles', styles)):
        require(all(sources.values()), kind, list(sources), 'data sets that hold images')
    module = AdainTraining(recipe, run.seed, run.max_minutes)
    about = {
        'kind': 'adain',
        'recipe': recipe.as_dict(),
        'seed': run.seed,
        'images': {name: len(items) for name, items in (contents | styles).items()},
    }
    fit(
        module, recipe, run,
        lambda items, epoch: StylePairs(contents, styles, recipe, items, run.seed, epoch),
        [Reporter(run.out, about)],
    )  # fmt: skip
    return run.out / WEIGHTS
