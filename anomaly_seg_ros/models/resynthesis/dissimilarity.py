# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network that finds where an image and its re-synthesis disagree (section 3.1.3)."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import ModelError
from anomaly_seg_ros.models.resynthesis.spade import Spade
from anomaly_seg_ros.models.resynthesis.vgg import Vgg

LEVELS = 4
MAPS = 3
"""Uncertainty maps: entropy, perceptual difference, softmax distance."""
_SEMANTIC = (32, 64, 128, 256)
_UNCERTAIN = (64, 128, 256, 512)
_DECODED = (64, 128, 256, 256)


class DissimilarityNetwork(nn.Module):
    """Original, re-synthesis, labels and uncertainty maps to two logits in each pixel.

    A VGG-16 shared by both images, small convolutional encoders of labels and uncertainty maps,
    fused at four scales: a 1x1 convolution of images and labels, multiplied by the uncertainty
    features, beside the images' correlation; a decoder that is told the labels by SPADE.

    Args:
        classes: Channels of the label map, C.
        width: Channels as a share of the published ones.
        hidden: Channels inside each SPADE at width 1.
        uncertainty: Whether it is given uncertainty maps; without, images and labels only.
        semantic_decoder: Whether the decoder's normalisation is told the labels.

    Attributes:
        stride: Sides of images must be multiples of this.
    """

    stride = 2 ** (LEVELS - 1)

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        hidden: int = 128,
        uncertainty: bool = True,
        semantic_decoder: bool = True,
    ) -> None:
        super().__init__()
        if classes < 1 or hidden < 1:
            msg = f'received classes={classes}, hidden={hidden}, expected at least 1 of each'
            raise ModelError(msg)
        self.classes = classes
        self.images = Vgg(16, 'last', LEVELS, width)
        semantic = [_scaled(channels, width) for channels in _SEMANTIC]
        fused = [_scaled(channels, width) for channels in _UNCERTAIN]
        decoded = [_scaled(channels, width) for channels in _DECODED]
        self.semantic = _encoder(classes, semantic)
        self.uncertainty = _encoder(MAPS, fused) if uncertainty else None
        self.fusion = nn.ModuleList(
            nn.Conv2d(2 * image + labels, outputs, 1)
            for image, labels, outputs in zip(self.images.channels, semantic, fused, strict=True)
        )
        self.decoder = nn.ModuleList()
        before = 0
        for level in reversed(range(LEVELS)):
            inside = _scaled(hidden, width) if semantic_decoder else 0
            self.decoder.append(
                _Decoding(before + fused[level] + 1, decoded[level], classes, inside, level > 0)
            )
            before = decoded[level]
        self.out = nn.Conv2d(before, 2, 1)

    def forward(
        self,
        original: torch.Tensor,
        synthesised: torch.Tensor,
        layout: torch.Tensor,
        uncertainty: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compare an image with its re-synthesis.

        Args:
            original: (N, 3, H, W) RGB in [0, 1]; sides are multiples of `stride`.
            synthesised: (N, 3, H, W) RGB in [0, 1].
            layout: (N, C, H, W) of 0 and 1, void pixels 0 everywhere.
            uncertainty: (N, 3, H, W) in [0, 1]: entropy, perceptual difference, distance; needed
                if the network was built with them.

        Returns:
            (N, 2, H, W): logits of normal and of anomalous.

        Raises:
            ModelError: The shapes do not fit.
        """
        self._check(original, layout, uncertainty)
        semantic = _levels(self.semantic, layout)
        gates = None
        if self.uncertainty is not None and uncertainty is not None:
            gates = _levels(self.uncertainty, uncertainty)
        features = zip(self.images(original), self.images(synthesised), strict=True)
        fused = []
        for level, (one, other) in enumerate(features):
            gated = self.fusion[level](torch.cat([one, other, semantic[level]], 1))
            if gates is not None:
                gated = gated * gates[level]
            correlation = (one * other).sum(1, keepdim=True)
            fused.append(torch.cat([correlation, gated], 1))
        x = fused.pop()
        for number, block in enumerate(self.decoder):
            x = block(x if number == 0 else torch.cat([x, fused.pop()], 1), layout)
        result: torch.Tensor = self.out(x)
        return result

    def _check(
        self, original: torch.Tensor, layout: torch.Tensor, uncertainty: torch.Tensor | None
    ) -> None:
        height, width = original.shape[2:]
        stride = self.stride
        if height < stride or width < stride or height % stride or width % stride:
            msg = (
                f'received images of {width}x{height}, expected sides that are multiples of '
                f'{stride}: resize them'
            )
            raise ModelError(msg)
        if layout.shape[1] != self.classes:
            msg = f'received a label map of {layout.shape[1]} classes, expected {self.classes}'
            raise ModelError(msg)
        if self.uncertainty is not None and uncertainty is None:
            msg = 'received no uncertainty maps, which this network was built for'
            raise ModelError(msg)


class _Decoding(nn.Module):
    """Convolution, SPADE block and doubling of one level."""

    def __init__(
        self, inputs: int, outputs: int, classes: int, hidden: int, doubling: bool
    ) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norms = nn.ModuleList(
            Spade(outputs, classes, hidden, 'instance') if hidden else nn.InstanceNorm2d(outputs)
            for _ in range(2)
        )
        self.up = nn.ConvTranspose2d(outputs, outputs, 2, 2) if doubling else None

    def forward(self, x: torch.Tensor, layout: torch.Tensor) -> torch.Tensor:
        x = functional.selu(self.enter(x))
        x = functional.selu(self._normalised(0, x, layout))
        x = functional.selu(self._normalised(1, self.conv(x), layout))
        return x if self.up is None else self.up(x)

    def _normalised(self, index: int, x: torch.Tensor, layout: torch.Tensor) -> torch.Tensor:
        norm = self.norms[index]
        result: torch.Tensor = norm(x, layout) if isinstance(norm, Spade) else norm(x)
        return result


def _scaled(channels: int, width: float) -> int:
    return max(4, round(channels * width))


def _encoder(inputs: int, channels: list[int]) -> nn.ModuleList:
    """Return a 7x7 convolution and strided 3x3 ones, whose results are all read."""
    convs = [nn.Conv2d(inputs, channels[0], 7, padding=3)]
    convs += [nn.Conv2d(a, b, 3, 2, 1) for a, b in itertools.pairwise(channels)]
    for conv in convs:
        nn.init.kaiming_normal_(conv.weight, mode='fan_out', nonlinearity='relu')
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
    return nn.ModuleList(convs)


def _levels(convs: nn.ModuleList, x: torch.Tensor) -> list[torch.Tensor]:
    results = []
    for conv in convs:
        x = functional.relu(conv(x))
        results.append(x)
    return results
