# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ERFNet, a real-time segmenter of factorised residual blocks.

E. Romera, J. M. Alvarez, L. M. Bergasa, R. Arroyo: ERFNet: Efficient Residual Factorized ConvNet
for Real-Time Semantic Segmentation. IEEE Transactions on Intelligent Transportation Systems, 2018.
Module names follow the authors' published checkpoints, so that those load strictly.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import SEGMENTERS, ModelError, Segmenter, constant_output

# The published checkpoints were trained with this epsilon; another one shifts every layer.
_EPSILON = 1e-3
_EARLY = 6
"""Layers of the encoder, behind its initial block, that work at a quarter of the resolution."""


class Downsampler(nn.Module):
    """Halve the resolution: a strided convolution beside a max pooling (Fig. 3 of the paper)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs - inputs, 3, stride=2, padding=1)
        # ceil_mode makes odd sizes agree with the convolution; even sizes do not change.
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.bn = nn.BatchNorm2d(outputs, eps=_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h / 2, w / 2)."""
        return functional.relu(self.bn(torch.cat((self.conv(x), self.pool(x)), 1)))


class NonBottleneck1d(nn.Module):
    """A residual block whose 3x3 convolutions are split into 3x1 and 1x3 ones."""

    def __init__(self, channels: int, dropout: float, dilation: int) -> None:
        super().__init__()
        d = dilation
        self.conv3x1_1 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(channels, eps=_EPSILON)
        self.conv3x1_2 = nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1))
        self.conv1x3_2 = nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d))
        self.bn2 = nn.BatchNorm2d(channels, eps=_EPSILON)
        self.dropout = nn.Dropout2d(dropout)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is added to the shortcut, before its dropout."""
        y = functional.relu(self.conv3x1_1(x))
        y = functional.relu(self.bn1(self.conv1x3_1(y)))
        y = functional.relu(self.conv3x1_2(y))
        result: torch.Tensor = self.bn2(self.conv1x3_2(y))
        return result

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, h, w) to the same shape."""
        return functional.relu(self.dropout(self.branch(x)) + x)


class Upsampler(nn.Module):
    """Double the resolution by a transposed convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.bn = nn.BatchNorm2d(outputs, eps=_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, 2 h, 2 w)."""
        return functional.relu(self.bn(self.conv(x)))


class Encoder(nn.Module):
    """Layers 1 to 16 of the paper's Table I: 128 features at an eighth of the resolution."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.initial_block = Downsampler(3, 16)
        layers: list[nn.Module] = [Downsampler(16, 64)]
        layers += [NonBottleneck1d(64, 0.03, 1) for _ in range(5)]
        layers.append(Downsampler(64, 128))
        layers += [NonBottleneck1d(128, 0.3, d) for _ in range(2) for d in (2, 4, 8, 16)]
        self.layers = nn.ModuleList(layers)
        # Used only to pretrain the encoder alone; checkpoints carry it.
        self.output_conv = nn.Conv2d(128, num_classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to features (N, 128, h / 8, w / 8)."""
        x = self.initial_block(image)
        for layer in self.layers:
            x = layer(x)
        features: torch.Tensor = x
        return features


class Decoder(nn.Module):
    """Layers 17 to 23 of the paper's Table I: features back to full resolution."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList((
            Upsampler(128, 64),
            NonBottleneck1d(64, 0.0, 1),
            NonBottleneck1d(64, 0.0, 1),
            Upsampler(64, 16),
            NonBottleneck1d(16, 0.0, 1),
            NonBottleneck1d(16, 0.0, 1),
        ))  # fmt: skip
        self.output_conv = nn.ConvTranspose2d(16, num_classes, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 128, h / 8, w / 8) to logits (N, num_classes, h, w)."""
        for layer in self.layers:
            x = layer(x)
        logits: torch.Tensor = self.output_conv(x)
        return logits


@SEGMENTERS.register('erfnet')
class ERFNet(Segmenter):
    """ERFNet; its published weights take RGB / 255 without mean and standard deviation.

    Args:
        num_classes: Outputs of the network; 20 for the published Cityscapes weights, void last.
        known_classes: Keep only the first outputs as logits; 19 drops the trained void class,
            which is no known class and would hide anomalies. All when None.

    Raises:
        ModelError: `known_classes` does not lie in 1..num_classes.
    """

    stride = 1

    def __init__(self, num_classes: int, known_classes: int | None = None) -> None:
        super().__init__()
        if known_classes is not None and not 1 <= known_classes <= num_classes:
            msg = f'received known_classes={known_classes}, expected 1 to {num_classes}'
            raise ModelError(msg)
        self.num_classes = num_classes if known_classes is None else known_classes
        self.encoder = Encoder(num_classes)
        self.decoder = Decoder(num_classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to logits (N, C, h, w); h and w are multiples of 8."""
        logits: torch.Tensor = self.decoder(self.encoder(image))
        return logits[:, : self.num_classes]

    def begin(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, 3, h, w) to features (N, 64, h / 4, w / 4), behind the blocks at a quarter."""
        x = self.encoder.initial_block(image)
        for layer in self.encoder.layers[:_EARLY]:
            x = layer(x)
        return [x]

    def finish(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map what `begin` gives to logits (N, C, h, w)."""
        x = features[0]
        for layer in self.encoder.layers[_EARLY:]:
            x = layer(x)
        logits: torch.Tensor = self.decoder(x)
        return logits[:, : self.num_classes]

    def forget_beginning(self) -> None:
        """Drop the layers of `begin`."""
        encoder: nn.Module = self.encoder
        encoder.initial_block = nn.Identity()
        for index in range(_EARLY):
            self.encoder.layers[index] = nn.Identity()
        # Of the encoder's pretraining; no stream needs it.
        encoder.output_conv = nn.Identity()

    def single_output(self, value: float) -> None:
        """Replace the layer of the logits by one with one output, `value` at the beginning."""
        self.decoder.output_conv = constant_output(nn.ConvTranspose2d(16, 1, 2, stride=2), value)
