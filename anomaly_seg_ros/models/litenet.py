# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LiteNet, this project's own segmenter for two CPU cores: a pretrained encoder, a small pyramid.

The encoder is EfficientNet-Lite0 (Tan and Le 2019; the Lite variants: no squeeze-and-excitation,
ReLU6) without its last stages, so that weights learnt on ImageNet can be loaded; the decoder pools
context at a thirty-second of the resolution (Pan et al. 2022, DDRNet) and returns by a feature
pyramid (Lin et al. 2017) to a quarter. Plain operators only, which every engine runs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import SEGMENTERS, ModelError, Segmenter

_STAGES = (
    # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 3),
)
"""Of EfficientNet-Lite0, but three of the four blocks of 192 channels and none of 320."""

_LEVELS = {2: 24, 4: 40, 10: 112, 13: 192}
"""The last block at each of the strides 4, 8, 16 and 32, and its channels."""


def _convolution(inputs: int, outputs: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _norm(channels: int) -> nn.BatchNorm2d:
    # The constants with which the encoder was trained.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _resize_like(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, other.shape[-2:], mode='bilinear', align_corners=False)


class InvertedResidual(nn.Module):
    """Expand, convolve each channel alone, project; a shortcut where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand: nn.Module = nn.Identity()
        if expansion != 1:
            self.expand = nn.Sequential(
                nn.Conv2d(inputs, inner, 1, bias=False), _norm(inner), nn.ReLU6(inplace=True)
            )
        self.depthwise = nn.Sequential(
            nn.Conv2d(inner, inner, size, stride, size // 2, groups=inner, bias=False),
            _norm(inner),
            nn.ReLU6(inplace=True),
        )
        self.project = nn.Sequential(nn.Conv2d(inner, outputs, 1, bias=False), _norm(outputs))
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h / stride, w / stride)."""
        y: torch.Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


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


@SEGMENTERS.register('litenet')
class LiteNet(Segmenter):
    """The default segmenter.

    Args:
        num_classes: Outputs of the network.
        neck: Channels of the feature pyramid at strides 8, 16 and 32.
        head: Channels at stride 4, before the classifier.
        dropout: Probability that a channel before the classifier is dropped in training, and in
            stochastic forward passes.
    """

    stride = 4

    def __init__(
        self, num_classes: int, neck: int = 64, head: int = 48, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.neck = neck
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False), _norm(32), nn.ReLU6(inplace=True)
        )
        blocks: list[nn.Module] = []
        inputs = 32
        for size, stride, expansion, width, depth in _STAGES:
            for index in range(depth):
                step = stride if index == 0 else 1
                blocks.append(InvertedResidual(inputs, width, size, step, expansion))
                inputs = width
        self.blocks = nn.ModuleList(blocks)
        width4, width8, width16, width32 = _LEVELS.values()
        self.context = PooledContext(width32, neck)
        self.lateral16 = _convolution(width16, neck, 1)
        self.lateral8 = _convolution(width8, neck, 1)
        self.lateral4 = _convolution(width4, head, 1)
        self.fuse16 = _convolution(neck, neck)
        self.fuse8 = _convolution(neck, neck)
        self.reduce = _convolution(neck, head, 1)
        # At this resolution a full convolution would be the costliest layer of the network.
        self.fuse4 = nn.Sequential(
            nn.Conv2d(head, head, 5, padding=2, groups=head, bias=False),
            *_convolution(head, head, 1),
        )
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(head, num_classes, 1)

    def features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (N, 3, h, w) to the pyramid's features, by the name of their stride.

        Returns:
            ``'32'`` and ``'8'`` with `neck` channels, ``'4'`` with `head` channels.
        """
        x = self.stem(image)
        levels = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _LEVELS:
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

    def load_encoder(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load the published EfficientNet-Lite0 weights into the encoder; others are left out.

        Args:
            state: The state dict of the PyTorch port of EfficientNet-Lite0, trained on ImageNet
                (RGB, mean 0.498, deviation 0.502).

        Raises:
            ModelError: A tensor is missing or has another shape.
        """
        own = self.state_dict()
        loaded = {}
        for name in own:
            source = _published_name(name)
            if source is None:
                continue
            if source not in state or state[source].shape != own[name].shape:
                found = tuple(state[source].shape) if source in state else 'nothing'
                msg = (
                    f'the encoder weights hold {found} as {source!r}, expected the shape '
                    f'{tuple(own[name].shape)}: pass the weights of EfficientNet-Lite0'
                )
                raise ModelError(msg)
            loaded[name] = state[source]
        self.load_state_dict(loaded, strict=False)


_PARTS = {
    'expand': ('_expand_conv', '_bn0'),
    'depthwise': ('_depthwise_conv', '_bn1'),
    'project': ('_project_conv', '_bn2'),
}


def _published_name(name: str) -> str | None:
    """Return the published name of one of our encoder's tensors, None for the decoder's."""
    parts = name.split('.')
    if parts[0] == 'stem':
        return f'{("_conv_stem", "_bn0")[int(parts[1])]}.{parts[2]}'
    if parts[0] == 'blocks':
        return f'_blocks.{parts[1]}.{_PARTS[parts[2]][int(parts[3])]}.{parts[4]}'
    return None
