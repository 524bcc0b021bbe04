# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatially-adaptive normalisation (Park et al. 2019, equations 1 to 3)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import ModelError

NORMS = ('batch', 'instance')


def plain_norm(kind: str, channels: int) -> nn.Module:
    """Return a normalisation without weights.

    Args:
        kind: ``batch``, over the batch in training and by running statistics after it, or
            ``instance``, over each image.
        channels: Of its input.

    Raises:
        ModelError: The kind is unknown.
    """
    if kind not in NORMS:
        msg = f'received the norm {kind!r}, expected one of: {", ".join(NORMS)}'
        raise ModelError(msg)
    if kind == 'batch':
        return nn.BatchNorm2d(channels, affine=False)
    return nn.InstanceNorm2d(channels)


class Spade(nn.Module):
    """Normalise, then scale and shift each pixel by what two convolutions read from its label.

    Args:
        channels: Of what is normalised.
        classes: Channels of the label map.
        hidden: Channels between the two convolutions.
        norm: See `plain_norm`.
    """

    def __init__(
        self, channels: int, classes: int, hidden: int = 128, norm: str = 'batch'
    ) -> None:
        super().__init__()
        self.norm = plain_norm(norm, channels)
        self.shared = nn.Conv2d(classes, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, layout: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, h, w) and labels (N, classes, H, W) of 0 and 1 to the first shape."""
        layout = functional.interpolate(layout, x.shape[2:], mode='nearest')
        hidden = functional.relu(self.shared(layout))
        result: torch.Tensor = self.norm(x) * (1 + self.gamma(hidden)) + self.beta(hidden)
        return result
