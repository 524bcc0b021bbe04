# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stage 1 of ISSA: a generator of frames, and the discriminator that teaches it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anomaly_seg_training.issa.discriminator import Discriminator
from anomaly_seg_training.issa.generator import Generator
from anomaly_seg_training.issa.losses import (
    discriminator_loss,
    generator_loss,
    path_lengths,
    r1_penalty,
)
from anomaly_seg_training.issa.pictures import samples_page
from anomaly_seg_training.issa.recipe import IssaRecipe
from anomaly_seg_training.manual import ManualTraining
from anomaly_seg_training.pictures import from_pixels

_BETAS = (0.0, 0.99)
_PATH_RATE = 0.01


class GeneratorTraining(ManualTraining):
    """Train generator and discriminator in turn, as StyleGAN2 does.

    Args:
        recipe: Networks, rates and weights.
        seed: Of all draws.
        max_minutes: Time limit, None for none.
    """

    def __init__(self, recipe: IssaRecipe, seed: int, max_minutes: float | None) -> None:
        super().__init__(recipe.generator_steps, seed, max_minutes, recipe.ema)
        self.recipe = recipe
        self.generator = recipe.make_generator()
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.discriminator = Discriminator(recipe.base, recipe.channels)
        self.path_mean: torch.Tensor
        self.register_buffer('path_mean', torch.zeros(()))

    @property
    def trained(self) -> nn.Module:
        """The generator."""
        return self.generator

    @property
    def exported(self) -> nn.Module:
        """The generator of averaged weights."""
        return self.average

    def begun_with(self) -> dict[str, Any]:
        """Return what a resumed run must have too: the recipe's keys, and the seed."""
        return {**self.recipe.as_dict(), **super().begun_with()}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return Adam for the generator and for the discriminator."""
        rate = self.recipe.generator_rate
        return [
            torch.optim.Adam(network.parameters(), rate, betas=_BETAS, eps=1e-8)
            for network in (self.generator, self.discriminator)
        ]

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        """Take a step of the discriminator, then one of the generator."""
        del batch_idx
        self.seed_step()
        frames = from_pixels(batch)
        judged = self._judge(frames)
        self.step_judge(judged, self.recipe.generator_rate)
        with self.fixed(self.discriminator):
            drawn = self._draw(len(frames))
            loss = generator_loss(self.discriminator(drawn))
            total = loss
            if self.global_step % self.recipe.path_every == 0 and self.recipe.path_weight:
                every = self.recipe.path_weight * self.recipe.path_every
                total = total + every * self._path_penalty(len(frames) // 2)
            self.step(total, self.recipe.generator_rate)
        self.recipe.keep_noise(self.generator)
        self.log_dict({'generator': loss.detach(), 'discriminator': judged.detach()},
                      on_step=False, on_epoch=True)  # fmt: skip

    def page(self) -> NDArray[np.uint8]:
        """Draw a few pictures with the averaged weights."""
        return samples_page(self.average, self.seed)

    def _draw(self, number: int) -> torch.Tensor:
        codes = draw_codes(self.generator, number, self.recipe.style_mixing, follow=True)
        result: torch.Tensor = self.generator(codes, self.generator.random_noise(number))
        return result

    def _judge(self, frames: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            drawn = self._draw(len(frames))
        regular = self.global_step % self.recipe.r1_every == 0 and self.recipe.r1 > 0
        frames = frames.requires_grad_(regular)
        real = self.discriminator(frames)
        loss = discriminator_loss(real, self.discriminator(drawn))
        if regular:
            weight = self.recipe.r1 / 2 * self.recipe.r1_every
            loss = loss + weight * r1_penalty(real, frames)
        return loss

    def _path_penalty(self, number: int) -> torch.Tensor:
        generator = self.generator
        codes = draw_codes(generator, number, self.recipe.style_mixing)
        pictures = generator(codes, generator.random_noise(number))
        lengths = path_lengths(pictures, codes, torch.randn_like(pictures))
        self.path_mean.lerp_(lengths.detach().mean(), _PATH_RATE)
        return (lengths - self.path_mean).square().mean()


def draw_codes(
    generator: Generator, number: int, mixing: float, follow: bool = False
) -> torch.Tensor:
    """Draw style codes, some of them of two latents.

    Args:
        generator: Whose mapping.
        number: Of pictures, N.
        mixing: Share of them that have another code from a random layer on.
        follow: Whether the mean code is moved.

    Returns:
        (N, layers, codes).
    """
    device, layers = generator.constant.device, generator.layers
    first, second = (
        generator.mapping(torch.randn(number, generator.codes, device=device)) for _ in range(2)
    )
    if follow:
        generator.mapping.follow(first)
    cut = torch.randint(1, layers, (number, 1), device=device)
    mixed = torch.rand(number, 1, device=device) < mixing
    late = (torch.arange(layers, device=device)[None] >= cut) & mixed
    return torch.where(late[..., None], second[:, None], first[:, None])
