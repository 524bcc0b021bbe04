# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The variational encoder of a picture's style (Park et al. 2019, appendix A)."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

_SIDE = 4
_SLOPE = 0.2


class StyleEncoder(nn.Module):
    """Read the mean and the logarithm of the variance of a picture's style.

    Strided 3x3 convolutions with instance normalisation, then linear layers.

    Args:
        styles: Length of a style.
        channels: Of the first level; they double to eight times that.
        size: Height and width at which pictures are read, a power of 2 from 8 on.
    """

    def __init__(self, styles: int = 256, channels: int = 64, size: int = 256) -> None:
        super().__init__()
        self.size = size
        depth = max(1, (size // _SIDE).bit_length() - 1)
        widths = [3, *(channels * min(8, 2**level) for level in range(depth))]
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
            for inputs, outputs in itertools.pairwise(widths)
        )
        self.mean = nn.Linear(widths[-1] * _SIDE * _SIDE, styles)
        self.log_variance = nn.Linear(widths[-1] * _SIDE * _SIDE, styles)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (N, 3, H, W) RGB in [-1, 1] to mean and log variance, (N, styles) each."""
        x = functional.interpolate(
            image, (self.size, self.size), mode='bilinear', align_corners=False
        )
        for conv in self.convs:
            x = functional.leaky_relu(functional.instance_norm(conv(x)), _SLOPE)
        x = x.flatten(1)
        return self.mean(x), self.log_variance(x)
