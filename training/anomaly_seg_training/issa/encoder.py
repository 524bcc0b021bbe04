# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The masked noise encoder: from a picture to style codes and noise maps (Li et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_training.issa.generator import Generator

_SLOPE = 0.2
_COARSE, _MIDDLE = 3, 4
"""Style codes that are read at stride 16, and at stride 8; the others are at stride 4."""
STRIDES = (2, 4, 8, 16)
"""Where features are read; those of stride 32 only tell the others of the whole."""


class Bottleneck(nn.Module):
    """The residual block of ResNet-50 (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = max(1, outputs // 4)
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, inner, 3, stride, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, ceil(h / stride), ceil(w / stride))."""
        return functional.relu(self.body(x) + self.shortcut(x))


class Pyramid(nn.Module):
    """A residual network with features of all strides on the way back up (Lin et al. 2017).

    Args:
        widths: Channels at strides 2, 4, 8, 16 and 32.
        blocks: Residual blocks at strides 4, 8, 16 and 32.
        channels: Of all results.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        stages = []
        for inputs, outputs, depth in zip(widths, widths[1:], blocks, strict=False):
            stages.append(
                nn.Sequential(*(
                    Bottleneck(outputs if index else inputs, outputs, 1 if index else 2)
                    for index in range(depth)
                ))
            )  # fmt: skip
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1) for _ in STRIDES[1:])

    def forward(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
        """Map (N, 3, h, w) RGB in [-1, 1] to stride -> (N, channels, h / stride, w / stride)."""
        x = self.stem(images)
        bottom_up = [x]
        for stage in self.stages:
            x = stage(x)
            bottom_up.append(x)
        top = self.lateral[-1](bottom_up[-1])
        levels = [top]
        for lateral, features in zip(self.lateral[-2::-1], bottom_up[-2::-1], strict=True):
            own = lateral(features)
            top = own + functional.interpolate(top, own.shape[-2:], mode='nearest')
            levels.append(top)
        result = {}
        for index, (stride, features) in enumerate(zip(STRIDES, levels[:0:-1], strict=True)):
            # At stride 2 the picture's detail goes to the noise maps as it is.
            result[stride] = self.smooth[index - 1](features) if index else features
        return result


class StyleHead(nn.Module):
    """Convolutions of stride 2 until one pixel is left, then a linear layer to one code."""

    def __init__(self, size: tuple[int, int], channels: int, codes: int) -> None:
        super().__init__()
        depth = max(1, math.ceil(math.log2(max(size))))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(depth))
        self.out = nn.Linear(channels, codes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, h, w) to (N, codes)."""
        for conv in self.convs:
            x = functional.leaky_relu(conv(x), _SLOPE)
        result: torch.Tensor = self.out(x[:, :, 0, 0])
        return result


class Encoder(nn.Module):
    """Style codes of every layer, and the noise maps of some, that draw a picture again.

    Args:
        generator: For whose sizes; nothing of it is kept but its mean style code.
        noise_layers: The generator's convolutions whose noise is read from the picture.
        widths: Of the pyramid.
        blocks: Of the pyramid.
        channels: Of the pyramid's results and the heads.
    """

    def __init__(
        self, generator: Generator, noise_layers: Sequence[int], widths: Sequence[int],
        blocks: Sequence[int], channels: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pyramid = Pyramid(widths, blocks, channels)
        self.noise_layers = tuple(noise_layers)
        height, width = generator.size
        self.strides = [height // generator.noise_size(layer)[0] for layer in noise_layers]
        self.noise = nn.ModuleDict({
            str(layer): nn.Sequential(
                nn.Conv2d(channels, channels, 1), nn.LeakyReLU(_SLOPE),
                nn.Conv2d(channels, 1, 1),
            )
            for layer in noise_layers
        })  # fmt: skip
        self.code_strides = [
            16 if layer < _COARSE else 8 if layer < _COARSE + _MIDDLE else 4
            for layer in range(generator.layers)
        ]
        self.styles = nn.ModuleList(
            StyleHead((-(-height // stride), -(-width // stride)), channels, generator.codes)
            for stride in self.code_strides
        )
        self.mean: torch.Tensor
        self.register_buffer('mean', generator.mapping.mean.clone())

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Read pictures of the generator's size.

        Args:
            images: (N, 3, H, W) RGB in [-1, 1].

        Returns:
            (N, layers, codes), and (N, 1, h, w) for each of `noise_layers`.
        """
        features = self.pyramid(images)
        offsets = torch.stack(
            [
                head(features[stride])
                for head, stride in zip(self.styles, self.code_strides, strict=True)
            ],
            1,
        )
        maps = [
            self.noise[str(layer)](features[stride])
            for layer, stride in zip(self.noise_layers, self.strides, strict=True)
        ]
        return self.mean + offsets, maps
