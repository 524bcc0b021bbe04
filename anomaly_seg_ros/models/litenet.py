# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LiteNet, this project's own segmenter for two CPU cores: a pretrained encoder, a small pyramid.

The encoder is EfficientNet-Lite0 (Tan and Le 2019; the Lite variants: no squeeze-and-excitation,
ReLU6) without its last stages, so that weights learnt on ImageNet can be loaded. Plain operators
only, which every engine runs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from anomaly_seg_ros.models.base import SEGMENTERS, ModelError
from anomaly_seg_ros.models.pyramid import PyramidSegmenter

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


def _norm(channels: int) -> nn.BatchNorm2d:
    # The constants with which the encoder was trained.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


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


@SEGMENTERS.register('litenet')
class LiteNet(PyramidSegmenter):
    """The default segmenter.

    Args:
        num_classes: Outputs of the network.
        neck: Channels of the feature pyramid at strides 8, 16 and 32.
        head: Channels at stride 4, before the classifier.
        dropout: Probability that a channel before the classifier is dropped in training, and in
            stochastic forward passes.
    """

    def __init__(
        self, num_classes: int, neck: int = 64, head: int = 48, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
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
        self.add_decoder(tuple(_LEVELS.values()), neck, head, dropout, separable=True)

    def levels(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, 3, h, w) to 24, 40, 112 and 192 channels at strides 4, 8, 16 and 32."""
        x = self.stem(image)
        levels = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _LEVELS:
                levels.append(x)
        return levels

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
