# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A generator whose convolutions are predicted from the labels (Liu et al. 2019, CC-FPSE)."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.resynthesis.generator import GENERATORS, LayoutGenerator
from anomaly_seg_ros.models.resynthesis.spade import plain_norm

_SLOPE = 0.2
_TAPS = 9
_DOUBLINGS = (0, 1, 1, 2, 3, 4, 5)
"""How often the map of each block has been doubled."""


class ConditionalConv(nn.Module):
    """A 3x3 depthwise convolution of its own in each pixel, then a shared 1x1 one and a gate.

    Section 3.1 of the paper: kernels and gates (its conditional attention) are read from features
    of the labels. Neighbours come from a depthwise convolution that copies each of them into a
    channel, which every runtime has an operator for.

    Args:
        guides: Channels of the features that kernels and gates are read from.
        inputs: Channels of its input.
        outputs: Channels of its result.
    """

    copies: torch.Tensor

    def __init__(self, guides: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.kernels = nn.Conv2d(guides, inputs * _TAPS, 1)
        self.gates = nn.Conv2d(guides, outputs, 1)
        self.mix = nn.Conv2d(inputs, outputs, 1)
        copies = torch.eye(_TAPS).reshape(_TAPS, 1, 3, 3).repeat(inputs, 1, 1, 1)
        self.register_buffer('copies', copies, persistent=False)

    def forward(self, x: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) and (N, guides, h, w) to (N, outputs, h, w)."""
        number, _, height, width = x.shape
        neighbours = functional.conv2d(x, self.copies.to(x), padding=1, groups=self.inputs)
        weighted = self.kernels(guide) * neighbours
        total = weighted.reshape(number, self.inputs, _TAPS, height, width).sum(2)
        result: torch.Tensor = self.mix(total) * torch.sigmoid(self.gates(guide))
        return result


class ConditionalResidual(nn.Module):
    """Two conditional convolutions, each after a norm and ReLU, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, guides: int, norm: str) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.norm1, self.norm2 = plain_norm(norm, inputs), plain_norm(norm, middle)
        self.conv1 = ConditionalConv(guides, inputs, middle)
        self.conv2 = ConditionalConv(guides, middle, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) and (N, guides, h, w) to (N, outputs, h, w)."""
        y = self.conv1(functional.leaky_relu(self.norm1(x), _SLOPE), guide)
        y = self.conv2(functional.leaky_relu(self.norm2(y), _SLOPE), guide)
        result: torch.Tensor = self.shortcut(x) + y
        return result


class LayoutPyramid(nn.Module):
    """Features of the labels at every scale, each knowing the whole map (Figure 2 of the paper).

    Args:
        classes: Channels of the label map.
        channels: Of all features.
        depth: How often the map is halved.
    """

    def __init__(self, classes: int, channels: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(classes, channels, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(depth))
        self.side = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(depth))
        self.smooth = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth + 1)
        )

    def forward(self, layout: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, classes, H, W) to (N, channels, h, w) at each scale, from coarse to fine."""
        levels = [functional.leaky_relu(self.first(layout), _SLOPE)]
        for conv in self.down:
            levels.append(functional.leaky_relu(conv(levels[-1]), _SLOPE))
        x = levels.pop()
        results = [x]
        for side, level in zip(self.side, reversed(levels), strict=True):
            x = side(level) + functional.interpolate(x, scale_factor=2, mode='nearest')
            results.append(x)
        return [
            functional.leaky_relu(conv(level), _SLOPE)
            for conv, level in zip(self.smooth, results, strict=True)
        ]


@GENERATORS.register('ccfpse')
class ConditionalGenerator(LayoutGenerator):
    """The generator of CC-FPSE: conditional convolutions in SPADE's schedule.

    Args:
        classes: Channels of the label map.
        channels: Of the finest block.
        guides: Channels of the label features that kernels are read from.
        most: See `LayoutGenerator`.
        styles: See `LayoutGenerator`.
        norm: See `spade.plain_norm`.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 64,
        guides: int = 64,
        most: int = 16,
        styles: int = 0,
        norm: str = 'batch',
    ) -> None:
        super().__init__(classes, channels, most, styles)
        self.pyramid = LayoutPyramid(classes, guides, max(_DOUBLINGS))
        self.blocks.extend(
            ConditionalResidual(inputs, outputs, guides, norm)
            for inputs, outputs in itertools.pairwise(self.widths)
        )

    def guides(self, layout: torch.Tensor) -> list[torch.Tensor]:
        """Return features of the labels at the scale of every block."""
        levels = self.pyramid(layout)
        return [levels[doublings] for doublings in _DOUBLINGS]
