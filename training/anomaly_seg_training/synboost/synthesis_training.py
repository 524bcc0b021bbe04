# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the generator, against a discriminator (SPADE, section 3; CC-FPSE, section 3)."""

from __future__ import annotations

import copy
from pathlib import Path

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.detector.half_storage import MIN_SIZE
from anomaly_seg_ros.models.resynthesis import (
    LayoutGenerator,
    StyleEncoder,
    Vgg,
    create_generator,
    one_hot,
)
from anomaly_seg_ros.render import contact_sheet
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.manual import ManualTraining, Pages
from anomaly_seg_training.pictures import from_pixels, to_pixels
from anomaly_seg_training.recipe_file import require
from anomaly_seg_training.run_settings import RunSettings
from anomaly_seg_training.synboost.crops import LabelledCrops, Pair
from anomaly_seg_training.synboost.discriminators import DISCRIMINATORS
from anomaly_seg_training.synboost.losses import (
    adversarial_loss,
    feature_loss,
    judge_loss,
    perceptual_loss,
    style_divergence,
)
from anomaly_seg_training.synboost.pretrained import TORCHVISION, load_vgg, make_vgg
from anomaly_seg_training.synboost.recipe import SynthesisRecipe
from anomaly_seg_training.synboost.spectral import add_spectral_norm, plain_state
from anomaly_seg_training.training import (
    WEIGHTS,
    Reporter,
    WeightsWriter,
    as_half,
    read_sources,
)

_BETAS = (0.0, 0.9)
_SHOWN = 4
_CELL = 256


class Synthesis(nn.Module):
    """A generator and, where it takes styles, the encoder of styles.

    Args:
        recipe: Which generator.

    Raises:
        LabError: An option of the style encoder is unknown.
        ModelError: An option of the generator is unknown or has no valid value.
    """

    def __init__(self, recipe: SynthesisRecipe) -> None:
        super().__init__()
        self.generator: LayoutGenerator = create_generator(
            recipe.generator, classes=len(CITYSCAPES), **recipe.generator_options
        )
        self.style: StyleEncoder | None = None
        if self.generator.styles:
            try:
                self.style = StyleEncoder(self.generator.styles, **recipe.style_options)
            except TypeError as error:
                msg = f"recipe key 'style_options': {error}"
                raise LabError(msg) from error

    def forward(
        self, layout: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw images in the style of photos.

        Args:
            layout: (N, classes, H, W) of 0 and 1.
            images: (N, 3, H, W) RGB in [-1, 1].

        Returns:
            (N, 3, H, W) RGB in [-1, 1], and the style's divergence, 0 without one.
        """
        if self.style is None:
            return self.generator(layout), layout.new_zeros(())
        mean, log_variance = self.style(images)
        style = mean
        if self.training:
            style = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.generator(layout, style), style_divergence(mean, log_variance)


class SynthesisTraining(ManualTraining):
    """Train generator and discriminator in turn.

    Args:
        recipe: Networks, rates and weights.
        vgg: The frozen perceptual network, None for none.
        shown: ``image`` and ``labels`` for the pages.
        seed: Of all draws.
        max_minutes: Time limit, None for none.

    Raises:
        LabError: An option of the discriminator is unknown.
        ModelError: An option of the recipe has no valid value.
    """

    def __init__(
        self, recipe: SynthesisRecipe, vgg: Vgg | None, shown: Pair, seed: int,
        max_minutes: float | None,
    ) -> None:  # fmt: skip
        super().__init__(recipe.steps, seed, max_minutes, recipe.ema)
        self.recipe = recipe
        self.networks = Synthesis(recipe)
        add_spectral_norm(self.networks.generator.blocks)
        self.average = copy.deepcopy(self.networks).requires_grad_(False).eval()
        try:
            self.discriminator: nn.Module = DISCRIMINATORS[recipe.discriminator](
                len(CITYSCAPES), **recipe.discriminator_options
            )
        except TypeError as error:
            msg = f"recipe key 'discriminator_options': {error}"
            raise LabError(msg) from error
        add_spectral_norm(self.discriminator)
        # In a list, so that checkpoints do not carry what never changes.
        self._frozen = [] if vgg is None else [vgg.eval().requires_grad_(False)]
        self.shown = shown

    @property
    def trained(self) -> nn.Module:
        """Generator and style encoder."""
        return self.networks

    @property
    def exported(self) -> nn.Module:
        """Both, of averaged weights."""
        return self.average

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return Adam for the generator and for the discriminator."""
        recipe = self.recipe
        return [
            torch.optim.Adam(self.networks.parameters(), recipe.rate, betas=_BETAS),
            torch.optim.Adam(self.discriminator.parameters(), recipe.judge_rate, betas=_BETAS),
        ]

    def training_step(self, batch: Pair, batch_idx: int) -> None:
        """Take a step of the discriminator, then one of the generator."""
        del batch_idx
        self.seed_step()
        recipe = self.recipe
        photos, layout = from_pixels(batch['image']), one_hot(batch['labels'], len(CITYSCAPES))
        drawn, divergence = self.networks(layout, photos)
        judged = judge_loss(
            self.discriminator(photos, layout), self.discriminator(drawn.detach(), layout)
        )
        self.step_judge(judged, recipe.judge_rate * self._decay)
        with self.fixed(self.discriminator):
            with torch.no_grad():
                real = self.discriminator(photos, layout)
            seen = self.discriminator(drawn, layout)
            losses = {
                'adversarial': adversarial_loss(seen),
                'features': recipe.feature_weight * feature_loss(real, seen),
                'style': recipe.style_weight * divergence,
            }
            if self._frozen:
                vgg = self._frozen[0] = self._frozen[0].to(photos.device)
                with torch.no_grad():
                    wanted = vgg((photos + 1) / 2)
                difference = perceptual_loss(wanted, vgg((drawn + 1) / 2))
                losses['perceptual'] = recipe.perceptual_weight * difference
            self.step(torch.stack(list(losses.values())).sum(), recipe.rate * self._decay)
        losses['judge'] = judged
        self.log_dict({name: loss.detach() for name, loss in losses.items()},
                      on_step=False, on_epoch=True)  # fmt: skip

    @property
    def _decay(self) -> float:
        start = self.recipe.decay_from
        return 1.0 if self.progress <= start else max(0.0, (1 - self.progress) / (1 - start))

    @torch.no_grad()
    def page(self) -> NDArray[np.uint8]:
        """Show labels, photos and what the averaged weights draw, one row each."""
        labels = self.shown['labels'].to(self.device)
        photos = from_pixels(self.shown['image'].to(self.device))
        drawn, _ = self.average(one_hot(labels, len(CITYSCAPES)), photos)
        colours = np.zeros((256, 3), np.uint8)
        colours[: len(CITYSCAPES)] = CITYSCAPES.palette
        painted = [colours[values] for values in labels.cpu().numpy()]
        cells = [*painted, *to_pixels(photos), *to_pixels(drawn)]
        return contact_sheet(cells, len(painted), cell_width=max(_CELL, photos.shape[3]))

    def result(self) -> dict[str, torch.Tensor]:
        """Return the tensors of generator, style encoder and perceptual network."""
        state = plain_state(self.average)
        for vgg in self._frozen:
            state |= {f'perceptual.{name}': t for name, t in vgg.state_dict().items()}
        return state


def train_synthesis(
    recipe: SynthesisRecipe, run: RunSettings, perceptual: Path | None = None
) -> Path:
    """Train by a recipe and write ``weights.safetensors`` and ``run.json`` into `run.out`.

    Args:
        recipe: What to train.
        run: Where and how long.
        perceptual: Weights of the perceptual network, instead of those that the recipe names.

    Returns:
        The path of the weights: generator, style encoder, perceptual network.

    Raises:
        LabError: The recipe, the data or the checkpoint to resume cannot be used, more than one
            device is asked for, or a loss is not finite.
        ModelError: The perceptual weights are missing or do not fit.
    """
    if run.devices not in ('1', 'auto') or run.nodes != 1:
        msg = (
            f'received --devices {run.devices} --nodes {run.nodes}: this recipe trains on one '
            'device, pass --devices 1'
        )
        raise LabError(msg)
    run.check()
    run.limit_threads()
    lightning.seed_everything(run.seed, verbose=False)
    # Before the data, which take long to read.
    vgg = perceptual_network(recipe, perceptual)
    sources = read_sources(recipe.shares, recipe.reader_options, run.data)
    labelled = all(e.labels is not None for items in sources.values() for e in items)
    require(labelled and all(sources.values()), 'shares', recipe.shares,
            'data sets of images with labels')  # fmt: skip
    crops = LabelledCrops(sources, recipe, _SHOWN, run.seed, 0)
    items = [crops[index] for index in range(_SHOWN)]
    shown = {key: torch.stack([item[key] for item in items]) for key in items[0]}
    module = SynthesisTraining(recipe, vgg, shown, run.seed, run.max_minutes)
    about = {
        'kind': 'synthesis', 'recipe': recipe.as_dict(), 'seed': run.seed,
        'images': {name: len(items) for name, items in sources.items()},
        'perceptual': perceptual.name if perceptual is not None else recipe.perceptual,
    }  # fmt: skip
    path = run.out / WEIGHTS
    fit(
        module, recipe, run,
        lambda items, epoch: LabelledCrops(sources, recipe, items, run.seed, epoch),
        [Pages(run.out / 'pictures', 'synthesis', recipe.picture_steps),
         Reporter(run.out, about),
         WeightsWriter(path, lambda: as_half(module.result(), MIN_SIZE))],
        # Lightning clips no gradients of optimizers that are stepped by hand.
        gradient_clip_val=None,
    )  # fmt: skip
    return path


def perceptual_network(recipe: SynthesisRecipe, file: Path | None) -> Vgg | None:
    """Return the perceptual network of a recipe with its weights; None if nothing needs it.

    Raises:
        LabError: There is no file, and the weights cannot be downloaded.
        ModelError: The file is missing or does not fit.
    """
    if file is None and recipe.perceptual != TORCHVISION:
        expected = 'a perceptual network: --perceptual FILE, or torchvision in the recipe'
        weight = recipe.perceptual_weight
        require(weight == 0, 'perceptual_weight', weight, expected)
        return None
    vgg = make_vgg(recipe.perceptual_options, 'perceptual_options')
    load_vgg(
        vgg, TORCHVISION if file is None else file, recipe.perceptual_options.get('depth', 16)
    )
    return vgg
