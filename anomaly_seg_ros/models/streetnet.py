# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""StreetNet, this project's own small segmenter for two CPU cores.

A residual encoder to a thirty-second of the resolution, pooled context there, and a feature
pyramid back to a quarter: He et al. 2016 (basic block), Pan et al. 2022 (DDRNet, pooled context)
and Lin et al. 2017 (feature pyramid). Plain operators only: convolution, batch norm, ReLU, average
pooling and bilinear resizing, which every engine runs.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import SEGMENTERS, Segmenter


def _convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _resize_like(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, other.shape[-2:], mode='bilinear', align_corners=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, 3, stride)
        self.conv2 = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride != 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h / stride, w / stride)."""
        return functional.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


class PooledContext(nn.Module):
    """Averages over growing windows, up to the whole image, beside the features themselves."""

    def __init__(self, inputs: int, outputs: int, branch: int = 48) -> None:
        super().__init__()
        self.own = _convolution(inputs, outputs, 1)
        self.small = _convolution(inputs, branch, 1)
        self.large = _convolution(inputs, branch, 1)
        # One value per channel has no batch statistics of its own: bias instead of batch norm.
        self.image = nn.Sequential(nn.Conv2d(inputs, branch, 1), nn.ReLU(inplace=True))
        self.merge = _convolution(outputs + 3 * branch, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h, w)."""
        small = self.small(functional.avg_pool2d(x, 5, 2, 2, count_include_pad=False))
        large = self.large(functional.avg_pool2d(x, 9, 4, 4, count_include_pad=False))
        image = self.image(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        branches = (self.own(x), _resize_like(small, x), _resize_like(large, x), image)
        return functional.relu(self.merge(torch.cat(branches, 1)))


@SEGMENTERS.register('streetnet')
class StreetNet(Segmenter):
    """The default segmenter.

    Args:
        num_classes: Outputs of the network.
        widths: Channels at strides 4, 8, 16 and 32.
        depths: Residual blocks at strides 4, 8, 16 and 32.
        neck: Channels of the feature pyramid at strides 8, 16 and 32.
        head: Channels at stride 4, before the classifier.
        dropout: Probability that a channel before the classifier is dropped in training, and in
            stochastic forward passes.
    """

    stride = 4

    def __init__(
        self,
        num_classes: int,
        widths: tuple[int, int, int, int] = (32, 64, 128, 160),
        depths: tuple[int, int, int, int] = (1, 2, 2, 1),
        neck: int = 64,
        head: int = 48,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.widths = tuple(widths)
        self.neck = neck
        self.stem = nn.Sequential(_convolution(3, 16, 3, 2), _convolution(16, widths[0], 3, 2))
        stages = []
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            first = BasicBlock(inputs, width, 1 if stage == 0 else 2)
            stages.append(
                nn.Sequential(first, *(BasicBlock(width, width) for _ in range(depth - 1)))
            )
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.context = PooledContext(widths[3], neck)
        self.lateral16 = _convolution(widths[2], neck, 1)
        self.lateral8 = _convolution(widths[1], neck, 1)
        self.lateral4 = _convolution(widths[0], head, 1)
        self.fuse16 = _convolution(neck, neck)
        self.fuse8 = _convolution(neck, neck)
        self.reduce = _convolution(neck, head, 1)
        self.fuse4 = _convolution(head, head)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(head, num_classes, 1)

    def features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (N, 3, h, w) to the pyramid's features, by the name of their stride.

        Returns:
            ``'32'`` and ``'8'`` with `neck` channels, ``'4'`` with `head` channels.
        """
        x = self.stem(image)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        pyramid32 = self.context(levels[3])
        pyramid16 = self.lateral16(levels[2])
        pyramid16 = self.fuse16(pyramid16 + _resize_like(pyramid32, pyramid16))
        pyramid8 = self.lateral8(levels[1])
        pyramid8 = self.fuse8(pyramid8 + _resize_like(pyramid16, pyramid8))
        pyramid4 = self.lateral4(levels[0])
        pyramid4 = self.fuse4(pyramid4 + _resize_like(self.reduce(pyramid8), pyramid4))
        return {'32': pyramid32, '8': pyramid8, '4': pyramid4}

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Map features '4' (N, head, h / 4, w / 4) to logits (N, C, h / 4, w / 4)."""
        logits: torch.Tensor = self.classifier(self.dropout(features))
        return logits

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to logits (N, C, h / 4, w / 4); h and w are multiples of 32."""
        return self.classify(self.features(image)['4'])
