# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""StyleGAN2's residual discriminator (Karras et al. 2020)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from anomaly_seg_training.issa.layers import EqualConv, EqualLinear, activate

_GROUP = 4


class Residual(nn.Module):
    """Two convolutions and a shortcut; the sides are halved."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualConv(inputs, inputs, 3)
        self.second = EqualConv(inputs, outputs, 3, down=True)
        self.shortcut = EqualConv(inputs, outputs, 1, down=True, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h / 2, w / 2)."""
        y: torch.Tensor = activate(self.second(activate(self.first(x)))) + self.shortcut(x)
        return y / math.sqrt(2)


class Discriminator(nn.Module):
    """Tell frames from drawn pictures.

    Args:
        base: Height and width of its last level.
        channels: Of each level, from coarse to fine, as for the generator.
    """

    def __init__(self, base: tuple[int, int], channels: Sequence[int]) -> None:
        super().__init__()
        fine = list(channels)[::-1]
        self.from_rgb = EqualConv(3, fine[0], 1)
        self.blocks = nn.ModuleList(
            Residual(inputs, outputs) for inputs, outputs in itertools.pairwise(fine)
        )
        self.last = EqualConv(fine[-1] + 1, fine[-1], 3)
        self.hidden = EqualLinear(fine[-1] * base[0] * base[1], fine[-1])
        self.out = EqualLinear(fine[-1], 1)

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, 3, H, W) RGB in [-1, 1] to features of each level, from fine to coarse."""
        x = activate(self.from_rgb(images))
        levels = []
        for block in self.blocks:
            x = block(x)
            levels.append(x)
        return levels or [x]

    def judge(self, features: torch.Tensor) -> torch.Tensor:
        """Map the coarsest features to logits (N,), high for frames."""
        x = torch.cat([features, deviation_map(features)], 1)
        x = activate(self.last(x))
        x = activate(self.hidden(x.flatten(1)))
        result: torch.Tensor = self.out(x)[:, 0]
        return result

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, H, W) RGB in [-1, 1] to logits (N,), high for frames."""
        return self.judge(self.features(images)[-1])


def deviation_map(features: torch.Tensor) -> torch.Tensor:
    """Return how much the pictures of a group differ, as one more channel.

    Args:
        features: (N, C, h, w).

    Returns:
        (N, 1, h, w): in every group of the same picture numbers modulo N / 4 (or the largest
        smaller number that divides N) the mean deviation over all channels and pixels.
    """
    number, _, height, width = features.shape
    group = next(size for size in range(min(_GROUP, number), 0, -1) if number % size == 0)
    grouped = features.reshape(group, number // group, -1)
    # Squares of no difference have no gradient of their root: hence the small number.
    deviation = (grouped.var(0, correction=0) + 1e-8).sqrt().mean(1)
    return deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
