# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VGG (Simonyan and Zisserman 2015) as a source of features, at any width."""

from __future__ import annotations

import torch
from torch import nn

from anomaly_seg_ros.models.base import ModelError

_BLOCKS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_CHANNELS = (64, 128, 256, 512, 512)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg(nn.Module):
    """Features of VGG-16 or VGG-19 at falling resolutions; layers are named as torchvision's.

    Args:
        depth: 16 or 19.
        tap: ``last`` ReLU of each block, as the dissimilarity network reads VGG-16, or
            ``first``, as the perceptual difference reads VGG-19.
        levels: Blocks that are read, 1 to 5.
        width: Channels as a share of the published ones, each at least 4.

    Attributes:
        channels: Of each level's features.

    Raises:
        ModelError: An option has no valid value.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, depth: int = 16, tap: str = 'last', levels: int = 4, width: float = 1.0
    ) -> None:
        super().__init__()
        if depth not in _BLOCKS or tap not in ('first', 'last') or not 1 <= levels <= 5:
            msg = (
                f'received depth={depth}, tap={tap!r}, levels={levels}, expected depth 16 or 19, '
                "tap 'first' or 'last' and 1 to 5 levels"
            )
            raise ModelError(msg)
        if not 0 < width <= 4:
            msg = f'received width={width}, expected more than 0 and at most 4'
            raise ModelError(msg)
        self.channels = tuple(max(4, round(width * c)) for c in _CHANNELS[:levels])
        layers: list[nn.Module] = []
        self._ends: list[int] = []
        inputs = 3
        for level, outputs in enumerate(self.channels):
            read = 1 if tap == 'first' else _BLOCKS[depth][level]
            for number in range(_BLOCKS[depth][level]):
                if level == levels - 1 and number == read:
                    break
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
                if number == read - 1:
                    self._ends.append(len(layers))
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[: self._ends[-1]])
        self.register_buffer('mean', torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('scale', 1 / torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Read features.

        Args:
            image: (N, 3, H, W) RGB in [0, 1].

        Returns:
            Per level (N, channels, H / s, W / s) with s = 1, 2, 4, 8, 16.
        """
        x = (image - self.mean) * self.scale
        results, start = [], 0
        for end in self._ends:
            x = self.features[start:end](x)
            results.append(x)
            start = end
        return results
