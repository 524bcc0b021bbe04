# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""StyleGAN2's generator (Karras et al. 2020), for pictures of any aspect."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from anomaly_seg_training.issa.filters import upsample
from anomaly_seg_training.issa.layers import EqualLinear, ModulatedConv, activate

_MEAN_RATE = 0.005
"""How fast the mean style code follows; it is what the encoder starts from."""


class Mapping(nn.Module):
    """From a latent z to a style code w.

    Args:
        codes: Size of z and w.
        depth: Layers.
    """

    def __init__(self, codes: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EqualLinear(codes, codes, rate=0.01) for _ in range(depth))
        self.mean: torch.Tensor
        self.register_buffer('mean', torch.zeros(codes))

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Map (N, codes), normal, to style codes (N, codes)."""
        x = latents * (latents.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.layers:
            x = activate(layer(x))
        return x

    @torch.no_grad()
    def follow(self, codes: torch.Tensor) -> None:
        """Move the mean code towards that of a batch."""
        self.mean.lerp_(codes.detach().mean(0), _MEAN_RATE)


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, activation."""

    def __init__(self, inputs: int, outputs: int, codes: int, up: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, codes, up=up)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: torch.Tensor, code: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w), (N, codes) and noise (N, 1, h', w') to (N, outputs, h', w')."""
        x = self.conv(x, code) + self.noise_strength * noise
        return activate(x + self.bias[:, None, None])


class ToRgb(nn.Module):
    """A modulated 1x1 convolution without demodulation, to RGB."""

    def __init__(self, inputs: int, codes: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, 1, codes, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) and (N, codes) to (N, 3, h, w)."""
        result: torch.Tensor = self.conv(x, code) + self.bias[:, None, None]
        return result


class Generator(nn.Module):
    """From style codes and noise maps to pictures, by levels that double the sides.

    The first level has one convolution, every other two; each convolution takes a style code and
    a noise map of its own, and each level adds to the picture with the next code.

    Args:
        base: Height and width of the first level.
        channels: Of each level, from coarse to fine.
        codes: Size of a style code.
        depth: Layers of the mapping network.
    """

    def __init__(
        self, base: tuple[int, int], channels: Sequence[int], codes: int, depth: int
    ) -> None:
        super().__init__()
        self.base = base
        self.codes = codes
        self.mapping = Mapping(codes, depth)
        self.constant = nn.Parameter(torch.randn(1, channels[0], *base))
        convs = [StyledConv(channels[0], channels[0], codes, up=False)]
        for inputs, outputs in itertools.pairwise(channels):
            convs += [
                StyledConv(inputs, outputs, codes, up=True),
                StyledConv(outputs, outputs, codes, up=False),
            ]
        self.convs = nn.ModuleList(convs)
        self.rgbs = nn.ModuleList(ToRgb(width, codes) for width in channels)

    @property
    def layers(self) -> int:
        """Style codes of one picture: one a convolution, and one for the last RGB."""
        return len(self.convs) + 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of pictures."""
        factor = 2 ** (len(self.rgbs) - 1)
        return self.base[0] * factor, self.base[1] * factor

    def noise_size(self, layer: int) -> tuple[int, int]:
        """Return height and width of the noise map of a convolution."""
        factor = 2 ** ((layer + 1) // 2)
        return self.base[0] * factor, self.base[1] * factor

    def random_noise(
        self, number: int, generator: torch.Generator | None = None
    ) -> list[torch.Tensor]:
        """Draw (number, 1, h, w) of N(0, 1) for every convolution."""
        device = self.constant.device
        return [
            torch.randn(number, 1, *self.noise_size(layer), device=device, generator=generator)
            for layer in range(len(self.convs))
        ]

    def no_noise(self, number: int) -> list[torch.Tensor]:
        """Return zeros in the place of noise."""
        return [
            self.constant.new_zeros(number, 1, *self.noise_size(layer))
            for layer in range(len(self.convs))
        ]

    def forward(self, codes: torch.Tensor, noise: Sequence[torch.Tensor]) -> torch.Tensor:
        """Draw pictures.

        Args:
            codes: (N, layers, codes), the code of each layer (W+).
            noise: (N, 1, h, w) for each convolution, of `noise_size`.

        Returns:
            (N, 3, H, W) RGB, about [-1, 1].
        """
        x = self.constant.expand(len(codes), -1, -1, -1)
        x = self.convs[0](x, codes[:, 0], noise[0])
        picture: torch.Tensor = self.rgbs[0](x, codes[:, 1])
        for level in range(1, len(self.rgbs)):
            for layer in (2 * level - 1, 2 * level):
                x = self.convs[layer](x, codes[:, layer], noise[layer])
            picture = upsample(picture) + self.rgbs[level](x, codes[:, 2 * level + 1])
        return picture
