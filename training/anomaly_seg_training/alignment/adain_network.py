# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The auto-encoder of adaptive instance normalisation (Huang and Belongie 2017), a small one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_training.errors import LabError

STRIDE = 4
"""Of the features; sides of images are multiples of it."""
_EPS = 1e-5


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, padding_mode='replicate'), nn.ReLU()
    )


class AdainNet(nn.Module):
    """An encoder to features at a quarter of the resolution, and a decoder back to pixels.

    The published one takes VGG-19's first layers as encoder. This one is trained from scratch on
    the user's own pictures, so that nothing has to be fetched.

    Args:
        channels: Of the features at strides 1, 2 and 4.
    """

    def __init__(self, channels: Sequence[int] = (32, 64, 128)) -> None:
        super().__init__()
        first, second, third = channels
        self.encoder = nn.ModuleList([
            _conv(3, first),
            nn.Sequential(_conv(first, second, 2), _conv(second, second)),
            nn.Sequential(_conv(second, third, 2), _conv(third, third)),
        ])  # fmt: skip
        self.decoder = nn.Sequential(
            _conv(third, third),
            _conv(third, second),
            nn.Upsample(scale_factor=2),
            _conv(second, second),
            _conv(second, first),
            nn.Upsample(scale_factor=2),
            _conv(first, first),
            nn.Conv2d(first, 3, 3, 1, 1, padding_mode='replicate'),
        )
        for part in self.modules():
            # Torch's own start halves the signal at each layer: nothing of it would come through.
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, nonlinearity='relu')
                nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, 3, h, w) RGB in [0, 1] to features at strides 1, 2 and 4."""
        levels = []
        x = images * 2 - 1
        for stage in self.encoder:
            x = stage(x)
            levels.append(x)
        return levels

    def decode(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, C, h / 4, w / 4) to (N, 3, h, w) RGB, about [0, 1]."""
        result: torch.Tensor = self.decoder(features)
        return (result + 1) / 2

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Encode, so that a functional call of the encoder is one of the network."""
        return self.encode(images)


def moments(
    features: torch.Tensor, weight: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation of each channel over its pixels, (N, C, 1, 1) each.

    Args:
        features: (N, C, h, w).
        weight: (N, 1, h, w), at least 0 and not all 0; None for 1 everywhere.
    """
    if weight is None:
        mean = features.mean((2, 3), keepdim=True)
        variance = features.var((2, 3), correction=0, keepdim=True)
    else:
        share = weight / weight.sum((2, 3), keepdim=True)
        mean = (features * share).sum((2, 3), keepdim=True)
        variance = ((features - mean) ** 2 * share).sum((2, 3), keepdim=True)
    return mean, (variance + _EPS).sqrt()


def adain(
    content: torch.Tensor, style: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Give features the mean and deviation that others have in each channel (equation 8).

    Args:
        content: (N, C, h, w).
        style: (N, C, any, any).
        weight: (N, 1, h, w), which pixels of the content count; None for all.
    """
    mean, deviation = moments(content, weight)
    style_mean, style_deviation = moments(style)
    return (content - mean) / deviation * style_deviation + style_mean


def network_of(state: Mapping[str, torch.Tensor], what: str) -> AdainNet:
    """Build the network that a state dict belongs to, in evaluation mode.

    Args:
        state: Tensors by name.
        what: Their file, for the error message.

    Raises:
        LabError: They are another network's.
    """
    names = ('encoder.0.0.weight', 'encoder.1.0.0.weight', 'encoder.2.0.0.weight')
    try:
        network = AdainNet([state[name].shape[0] for name in names])
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except (KeyError, IndexError, RuntimeError) as error:
        msg = (
            f'{what} holds no AdaIN network of this lab: pass the weights.safetensors that '
            'anomaly-seg-lab train adain has written'
        )
        raise LabError(msg) from error
    return network.eval().requires_grad_(False)


def padded(images: torch.Tensor) -> torch.Tensor:
    """Repeat the last rows and columns until both sides are multiples of `STRIDE`."""
    rows, columns = -images.shape[-2] % STRIDE, -images.shape[-1] % STRIDE
    return functional.pad(images, (0, columns, 0, rows), mode='replicate')
