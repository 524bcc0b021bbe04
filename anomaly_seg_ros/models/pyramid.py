# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The decoder of this project's own segmenters: pooled context and a feature pyramid.

Context is pooled at a thirty-second of the resolution (Pan et al. 2022, DDRNet); a feature pyramid
returns to a quarter (Lin et al. 2017). Plain operators only, which every engine runs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import Segmenter, constant_output

ENCODER = ('stem', 'blocks', 'stages')
"""Attributes of a `PyramidSegmenter` that hold its encoder; everything else is its decoder."""


def convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Return convolution, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _resize_like(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, other.shape[-2:], mode='bilinear', align_corners=False)


class PooledContext(nn.Module):
    """Averages over growing windows, up to the whole image, beside the features themselves."""

    def __init__(self, inputs: int, outputs: int, branch: int = 48) -> None:
        super().__init__()
        self.own = convolution(inputs, outputs, 1)
        self.small = convolution(inputs, branch, 1)
        self.large = convolution(inputs, branch, 1)
        # One value per channel has no batch statistics of its own: bias instead of batch norm.
        self.image = nn.Sequential(nn.Conv2d(inputs, branch, 1), nn.ReLU(inplace=True))
        self.merge = convolution(outputs + 3 * branch, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h, w)."""
        small = self.small(functional.avg_pool2d(x, 5, 2, 2, count_include_pad=False))
        large = self.large(functional.avg_pool2d(x, 9, 4, 4, count_include_pad=False))
        image = self.image(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        branches = (self.own(x), _resize_like(small, x), _resize_like(large, x), image)
        return functional.relu(self.merge(torch.cat(branches, 1)))


class PyramidSegmenter(Segmenter):
    """A segmenter whose encoder gives four levels.

    Subclasses define `levels`, and call `add_decoder` after they have built their encoder.
    """

    stride = 4

    def add_decoder(
        self, widths: Sequence[int], neck: int, head: int, dropout: float, *, separable: bool
    ) -> None:
        """Build context, pyramid and classifier.

        Args:
            widths: Channels of the encoder at strides 4, 8, 16 and 32.
            neck: Channels of the feature pyramid at strides 8, 16 and 32.
            head: Channels at stride 4, before the classifier.
            dropout: Probability that a channel before the classifier is dropped in training, and
                in stochastic forward passes.
            separable: Fuse at stride 4 by a depthwise and a pointwise convolution; a full one
                would be the costliest layer of a network with a light encoder.
        """
        self.neck = neck
        self.context = PooledContext(widths[3], neck)
        self.lateral16 = convolution(widths[2], neck, 1)
        self.lateral8 = convolution(widths[1], neck, 1)
        self.lateral4 = convolution(widths[0], head, 1)
        self.fuse16 = convolution(neck, neck)
        self.fuse8 = convolution(neck, neck)
        self.reduce = convolution(neck, head, 1)
        self.fuse4 = convolution(head, head)
        if separable:
            depthwise = nn.Conv2d(head, head, 5, padding=2, groups=head, bias=False)
            self.fuse4 = nn.Sequential(depthwise, *convolution(head, head, 1))
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(head, self.num_classes, 1)

    @abstractmethod
    def levels(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, 3, h, w) to the encoder's features at strides 4, 8, 16 and 32."""

    def features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (N, 3, h, w) to the pyramid's features, by the name of their stride.

        Returns:
            ``'32'`` and ``'8'`` with `neck` channels, ``'4'`` with `head` channels.
        """
        return self.pyramid(self.levels(image))

    def pyramid(self, levels: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Map the encoder's four levels to the features that `features` returns."""
        level4, level8, level16, level32 = levels
        pyramid32 = self.context(level32)
        pyramid16 = self.lateral16(level16)
        pyramid16 = self.fuse16(pyramid16 + _resize_like(pyramid32, pyramid16))
        pyramid8 = self.lateral8(level8)
        pyramid8 = self.fuse8(pyramid8 + _resize_like(pyramid16, pyramid8))
        pyramid4 = self.lateral4(level4)
        pyramid4 = self.fuse4(pyramid4 + _resize_like(self.reduce(pyramid8), pyramid4))
        return {'32': pyramid32, '8': pyramid8, '4': pyramid4}

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Map features '4' (N, head, h / 4, w / 4) to logits (N, C, h / 4, w / 4)."""
        logits: torch.Tensor = self.classifier(self.dropout(features))
        return logits

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to logits (N, C, h / 4, w / 4); h and w are multiples of 32."""
        return self.classify(self.features(image)['4'])

    def begin(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Run the encoder."""
        return self.levels(image)

    def finish(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map what `begin` gives to logits (N, C, h / 4, w / 4)."""
        return self.classify(self.pyramid(features)['4'])

    def forget_beginning(self) -> None:
        """Drop the encoder."""
        for name in ENCODER:
            if hasattr(self, name):
                delattr(self, name)

    def single_output(self, value: float) -> None:
        """Replace the layer of the logits by one with one output, `value` at the beginning."""
        self.classifier = constant_output(nn.Conv2d(self.classifier.in_channels, 1, 1), value)
