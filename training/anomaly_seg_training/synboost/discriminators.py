# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Discriminators of images that are given with their labels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_training.errors import LabError

_SLOPE = 0.2
_SHORTEST = 2


@dataclass(frozen=True)
class Judgement:
    """What a discriminator says of a batch.

    Attributes:
        logits: Maps (N, 1, h, w), high for photos, one per scale.
        features: Per scale the features on the way, from fine to coarse.
    """

    logits: list[torch.Tensor]
    features: list[list[torch.Tensor]]


class PatchDiscriminator(nn.Module):
    """Strided 4x4 convolutions with instance normalisation; judges overlapping patches.

    Args:
        classes: Channels of the label map.
        channels: Of the first level; they double to eight times that.
        depth: Levels before the last convolution.
    """

    def __init__(self, classes: int, channels: int, depth: int) -> None:
        super().__init__()
        widths = [classes + 3, *(channels * min(8, 2**level) for level in range(depth))]
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 4, 1 if level == depth - 1 else 2, 2)
            for level, (inputs, outputs) in enumerate(itertools.pairwise(widths))
        )
        self.out = nn.Conv2d(widths[-1], 1, 4, 1, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Map (N, classes + 3, H, W) to logits (N, 1, h, w) and the features of each level."""
        features = []
        for level, conv in enumerate(self.convs):
            x = conv(x)
            x = functional.leaky_relu(functional.instance_norm(x) if level else x, _SLOPE)
            features.append(x)
        return self.out(x), features


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators of the image and of smaller copies (pix2pixHD, SPADE).

    Args:
        classes: Channels of the label map.
        channels: See `PatchDiscriminator`.
        depth: See `PatchDiscriminator`; 4 as published for SPADE.
        scales: How many; each sees half the size of the one before.
    """

    def __init__(self, classes: int, channels: int = 64, depth: int = 4, scales: int = 2) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            PatchDiscriminator(classes, channels, depth) for _ in range(scales)
        )

    def forward(self, images: torch.Tensor, layout: torch.Tensor) -> Judgement:
        """Judge images (N, 3, H, W) RGB in [-1, 1] with their labels (N, classes, H, W)."""
        x = torch.cat([layout, images], 1)
        if min(x.shape[2:]) < _SHORTEST ** (len(self.parts) + 1):
            msg = (
                f'received images of {x.shape[3]}x{x.shape[2]}, too small for '
                f'{len(self.parts)} scales of the discriminator: use fewer scales'
            )
            raise LabError(msg)
        logits, features = [], []
        for part in self.parts:
            judged, levels = part(x)
            logits.append(judged)
            features.append(levels)
            x = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return Judgement(logits, features)


class PyramidDiscriminator(nn.Module):
    """The feature-pyramid discriminator that embeds the labels (CC-FPSE, section 3.2).

    Features of all scales on the way back up tell photos from drawings by themselves, and by
    their inner product with an embedding of the labels at each place.

    Args:
        classes: Channels of the label map.
        channels: Of the first level; they double to eight times that.
        depth: Levels, each of half the size of the one before.
        embedded: Channels of features and labels that are compared.
        judged: How many of the coarsest-but-one and finer scales give logits.
    """

    def __init__(
        self, classes: int, channels: int = 32, depth: int = 5, embedded: int = 64,
        judged: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        widths = [3, *(channels * min(8, 2**level) for level in range(depth))]
        self.down = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, 2, 1) for inputs, outputs in itertools.pairwise(widths)
        )
        self.side = nn.ModuleList(nn.Conv2d(width, embedded, 1) for width in widths[1:])
        self.judged = min(judged, depth)
        self.smooth = nn.ModuleList(
            nn.Conv2d(embedded, embedded, 3, padding=1) for _ in range(self.judged)
        )
        self.real = nn.Conv2d(embedded, 1, 1)
        self.match = nn.Conv2d(embedded, embedded, 1)
        self.labels = nn.Conv2d(classes, embedded, 1)

    def forward(self, images: torch.Tensor, layout: torch.Tensor) -> Judgement:
        """Judge images (N, 3, H, W) RGB in [-1, 1] with their labels (N, classes, H, W)."""
        levels, x = [], images
        for number, conv in enumerate(self.down):
            x = conv(x)
            # A map of one pixel has no deviation to divide by.
            wide = number > 0 and x.shape[2] * x.shape[3] > 1
            x = functional.leaky_relu(functional.instance_norm(x) if wide else x, _SLOPE)
            levels.append(x)
        top = self.side[-1](levels[-1])
        merged = [top]
        for side, level in zip(self.side[-2::-1], levels[-2::-1], strict=True):
            own = side(level)
            top = own + functional.interpolate(top, own.shape[2:], mode='nearest')
            merged.append(top)
        logits, features = [], [levels]
        for conv, level in zip(self.smooth, merged[-self.judged :], strict=True):
            y = functional.leaky_relu(conv(level), _SLOPE)
            place = self.labels(functional.adaptive_avg_pool2d(layout, (y.shape[2], y.shape[3])))
            logits.append(self.real(y) + (self.match(y) * place).sum(1, keepdim=True))
            features[0] = [*features[0], y]
        return Judgement(logits, features)


DISCRIMINATORS: dict[str, type[MultiScaleDiscriminator | PyramidDiscriminator]] = {
    'multiscale': MultiScaleDiscriminator,
    'pyramid': PyramidDiscriminator,
}
