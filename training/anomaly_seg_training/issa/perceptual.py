# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How different two pictures look: distances of a frozen network's features."""

from __future__ import annotations

import torch
from torch import nn

from anomaly_seg_ros.models import LiteNet
from anomaly_seg_training.pretrained import load_encoder


class Perceptual:
    """Distance in features of EfficientNet-Lite0, learnt on ImageNet.

    As LPIPS (Zhang et al. 2018) without its weights of channels, which are learnt for other
    networks: features of unit length at each pixel, squared differences, the mean of all levels.
    No module, so that checkpoints do not carry it.

    Args:
        package: The package that holds the weights.

    Raises:
        LabError: It is not installed.
    """

    def __init__(self, package: str) -> None:
        network = LiteNet(2)
        load_encoder(network, package)
        self.network: nn.Module = network.eval().requires_grad_(False)

    def __call__(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return the mean distance of pictures (N, 3, H, W) RGB in [-1, 1], a scalar, 0 to 4."""
        self.network = self.network.to(first.device)
        # The encoder's own scaling, mean 0.498 and deviation 0.502, is [-1, 1] but for 1 %.
        levels: list[torch.Tensor] = self.network.levels(  # type: ignore[operator]
            torch.cat([first, second])
        )
        distances = []
        for level in levels:
            one, other = nn.functional.normalize(level, dim=1).chunk(2)
            distances.append((one - other).square().sum(1).mean())
        return torch.stack(distances).mean()
