# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""StreetNet: a small residual encoder (He et al. 2016) for training from nothing.

For classes and cameras of one's own where weights learnt on ImageNet may not be used.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import SEGMENTERS
from anomaly_seg_ros.models.pyramid import PyramidSegmenter, convolution


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, outputs, 3, stride)
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


@SEGMENTERS.register('streetnet')
class StreetNet(PyramidSegmenter):
    """A small segmenter for training from nothing.

    Args:
        num_classes: Outputs of the network.
        widths: Channels at strides 4, 8, 16 and 32.
        depths: Residual blocks at strides 4, 8, 16 and 32.
        neck: Channels of the feature pyramid at strides 8, 16 and 32.
        head: Channels at stride 4, before the classifier.
        dropout: Probability that a channel before the classifier is dropped in training, and in
            stochastic forward passes.
    """

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
        self.stem = nn.Sequential(convolution(3, 16, 3, 2), convolution(16, widths[0], 3, 2))
        stages = []
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            first = BasicBlock(inputs, width, 1 if stage == 0 else 2)
            stages.append(
                nn.Sequential(first, *(BasicBlock(width, width) for _ in range(depth - 1)))
            )
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.add_decoder(widths, neck, head, dropout, separable=False)

    def levels(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, 3, h, w) to `widths` channels at strides 4, 8, 16 and 32."""
        x = self.stem(image)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels
