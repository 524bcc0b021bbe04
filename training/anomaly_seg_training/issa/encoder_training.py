# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stage 2 of ISSA: an encoder that finds the codes and noise maps of frames."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from anomaly_seg_training.adversarial import hinge_discriminator_loss
from anomaly_seg_training.issa.discriminator import Discriminator
from anomaly_seg_training.issa.generator import Generator
from anomaly_seg_training.issa.generator_training import draw_codes
from anomaly_seg_training.issa.losses import (
    masked_error,
    noise_divergence,
    r1_penalty,
)
from anomaly_seg_training.issa.masking import mask_noise, patch_mask
from anomaly_seg_training.issa.networks import Inversion
from anomaly_seg_training.issa.perceptual import Perceptual
from anomaly_seg_training.issa.pictures import mixing_page
from anomaly_seg_training.issa.recipe import IssaRecipe
from anomaly_seg_training.manual import ManualTraining
from anomaly_seg_training.pictures import from_pixels

_LEAST = 0.1
"""Share of the learning rate that is left at the end."""


class EncoderTraining(ManualTraining):
    """Train the encoder on frames and on drawn pictures, whose codes are known.

    Args:
        recipe: Networks, rates and weights.
        generator: Of stage 1; stays as it is.
        discriminator: Of stage 1; goes on learning.
        frames: (N, 3, H, W) RGB in [-1, 1], shown on the pages.
        seed: Of all draws.
        max_minutes: Time limit, None for none.

    Raises:
        LabError: The package of the perceptual distance is not installed.
    """

    def __init__(
        self, recipe: IssaRecipe, generator: Generator, discriminator: Discriminator,
        frames: torch.Tensor, seed: int, max_minutes: float | None,
    ) -> None:  # fmt: skip
        super().__init__(recipe.encoder_steps, seed, max_minutes, recipe.ema)
        self.recipe = recipe
        self.networks = Inversion(generator.requires_grad_(False), recipe.make_encoder(generator))
        self.average = copy.deepcopy(self.networks.encoder).requires_grad_(False).eval()
        self.discriminator = discriminator.requires_grad_(True)
        self.frames = frames
        self.perceptual = Perceptual(recipe.perceptual) if recipe.perceptual else None

    @property
    def trained(self) -> nn.Module:
        """The encoder."""
        return self.networks.encoder

    @property
    def exported(self) -> nn.Module:
        """The encoder of averaged weights."""
        return self.average

    @property
    def result(self) -> Inversion:
        """The generator and the averaged encoder, in evaluation mode."""
        return Inversion(self.networks.generator, self.average.eval()).eval()

    def begun_with(self) -> dict[str, Any]:
        """Return what a resumed run must have too: the recipe's keys, and the seed."""
        return {**self.recipe.as_dict(), **super().begun_with()}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return Adam for the encoder and for the discriminator."""
        recipe = self.recipe
        return [
            torch.optim.Adam(self.networks.encoder.parameters(), recipe.encoder_rate),
            torch.optim.Adam(
                self.discriminator.parameters(), recipe.judge_rate, betas=(0.0, 0.99)
            ),
        ]

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        """Take a step of the discriminator, then one of the encoder."""
        del batch_idx
        self.seed_step()
        recipe = self.recipe
        frames = from_pixels(batch)
        generator = self.networks.generator
        with torch.no_grad():
            known = draw_codes(generator, len(frames), recipe.style_mixing)
            fakes = generator(known, generator.random_noise(len(frames)))
        pictures = torch.cat([frames, fakes])
        codes, maps = self.networks.encoder(pictures)
        size = min((tuple(values.shape[-2:]) for values in maps), key=math.prod)
        mask = patch_mask(
            len(pictures), (size[0], size[1]), recipe.mask_patch, recipe.mask_share,
            pictures.device,
        )  # fmt: skip
        fill = [torch.randn_like(values) for values in maps]
        drawn = self.networks.draw(codes, mask_noise(maps, mask, fill))

        judged = self._judge(frames, drawn[: len(frames)].detach())
        self.step_judge(judged, recipe.judge_rate)
        with self.fixed(self.discriminator):
            losses = self._losses(pictures, drawn, mask)
        losses['code'] = functional.mse_loss(codes[len(frames) :], known)
        losses['noise'] = torch.stack([values.abs().mean() for values in maps]).mean()
        losses['noise_kl'] = torch.stack([noise_divergence(values) for values in maps]).mean()
        total = torch.stack([getattr(recipe, f'{k}_weight') * v for k, v in losses.items()]).sum()
        share = _LEAST + (1 - _LEAST) * 0.5 * (1 + math.cos(math.pi * self.progress))
        self.step(total, recipe.encoder_rate * share)
        shown = {name: loss.detach() for name, loss in losses.items()}
        self.log_dict({**shown, 'discriminator': judged.detach()}, on_step=False, on_epoch=True)

    def page(self) -> NDArray[np.uint8]:
        """Draw frames in each other's style, with the averaged weights."""
        return mixing_page(self.result, self.frames.to(self.device))

    def _judge(self, frames: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        recipe = self.recipe
        regular = self.global_step % recipe.r1_every == 0 and recipe.judge_r1 > 0
        frames = frames.detach().clone().requires_grad_(regular)
        real = self.discriminator(frames)
        loss = hinge_discriminator_loss(real, self.discriminator(drawn))
        if regular:
            loss = loss + recipe.judge_r1 / 2 * recipe.r1_every * r1_penalty(real, frames)
        return loss

    def _losses(
        self, pictures: torch.Tensor, drawn: torch.Tensor, mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return what compares pictures with what was drawn from their parts."""
        pixels = functional.interpolate(mask, pictures.shape[-2:], mode='nearest')
        features = self.discriminator.features(drawn)
        with torch.no_grad():
            wanted = self.discriminator.features(pictures)
        losses = {
            'mse': masked_error(drawn, pictures, pixels),
            'l1': masked_error(drawn, pictures, pixels, power=1),
            'adversarial': -self.discriminator.judge(features[-1]).mean(),
            'feature': torch.stack(
                [functional.l1_loss(a, b) for a, b in zip(features, wanted, strict=True)]
            ).mean(),
        }
        if self.perceptual is not None:
            losses['perceptual'] = self.perceptual(drawn, pictures)
        return losses
