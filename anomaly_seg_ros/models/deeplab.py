# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DeepLabV3+ as the anomaly papers use it: on WideResNet38 and on ResNet-101, for their weights.

L.-C. Chen et al., Encoder-Decoder with Atrous Separable Convolution, ECCV 2018 (without separable
convolutions); Z. Wu, C. Shen, A. van den Hengel, Wider or Deeper, 2016, and Y. Zhu et al.,
Improving Semantic Segmentation via Video Propagation and Label Relaxation, CVPR 2019, for the
WideResNet38 ("sdcnet"); S. Jung et al., Standardized Max Logits, ICCV 2021, for the ResNet-101.
Module names follow the published checkpoints. Both networks take RGB with ImageNet's mean and
deviation. The authors upsample the logits to the image with aligned corners; the detector graph
upsamples them as those of every network.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import SEGMENTERS, Segmenter

_RATES = (12, 24, 36)
"""Dilations of the spatial pyramid at output stride 8."""
_PREFIXES = ('module.', 'model.', 'branch1.')
"""What trainers put before names."""
_TRAINING_ONLY = ('dsn.', 'multi_scale.', 'criterion', 'bn_out.', 'classifier.')
"""Parts of checkpoints that no prediction needs."""


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _convolution(inputs: int, outputs: int, size: int = 1, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(
        inputs, outputs, size, padding=dilation * (size // 2), dilation=dilation, bias=False
    )
    return nn.Sequential(convolution, *_norm_relu(outputs))


def _resize(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, like.shape[-2:], mode='bilinear', align_corners=True)


class SpatialPyramid(nn.Module):
    """Atrous spatial pyramid pooling: the image's mean, 1x1, and 3x3 at three dilations."""

    def __init__(self, inputs: int, outputs: int = 256) -> None:
        super().__init__()
        branches = [_convolution(inputs, outputs)]
        branches += [_convolution(inputs, outputs, 3, rate) for rate in _RATES]
        self.features = nn.ModuleList(branches)
        self.img_conv = _convolution(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, 5 outputs, h, w)."""
        mean = self.img_conv(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        return torch.cat((mean, *(branch(x) for branch in self.features)), 1)


class PublishedDeepLab(Segmenter):
    """DeepLabV3+ with a decoder of two 3x3 convolutions.

    Args:
        num_classes: Outputs of the network.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def add_decoder(self, fine: int, coarse: int, *, plain: bool) -> None:
        """Build pyramid and decoder.

        Args:
            fine: Channels of the fine features.
            coarse: Channels of the coarse features.
            plain: The 1x1 convolutions that join them, and the last one, are bare, as in the
                WideResNet38's checkpoint; else the former have norms and the latter a bias.
        """
        self.aspp = SpatialPyramid(coarse)
        self.bot_fine: nn.Module = nn.Conv2d(fine, 48, 1, bias=False)
        self.bot_aspp: nn.Module = nn.Conv2d(1280, 256, 1, bias=False)
        if not plain:
            self.bot_fine, self.bot_aspp = _convolution(fine, 48), _convolution(1280, 256)
        self.final = nn.Sequential(
            *_convolution(304, 256, 3),
            *_convolution(256, 256, 3),
            nn.Conv2d(256, self.num_classes, 1, bias=not plain),
        )

    @abstractmethod
    def levels(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (N, 3, h, w) to fine features, at the logits' stride, and coarse ones, at 8."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to logits (N, C, h / stride, w / stride)."""
        fine, coarse = self.levels(image)
        context = _resize(self.bot_aspp(self.aspp(coarse)), fine)
        logits: torch.Tensor = self.final(torch.cat((self.bot_fine(fine), context), 1))
        return logits

    def translate(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return a published checkpoint's tensors under the names of this network."""
        found: dict[str, torch.Tensor] = {}
        for name, tensor in state.items():
            for prefix in _PREFIXES:
                name = name.removeprefix(prefix)
            if not name.startswith(_TRAINING_ONLY):
                found[_own_name(name)] = tensor
        return found


def _own_name(name: str) -> str:
    # The ResNet-101's checkpoint has the last layer in a part of its own.
    if name.startswith('final1.'):
        return name.replace('final1.', 'final.', 1)
    return name.replace('final2.0.', 'final.6.', 1) if name.startswith('final2.') else name


class IdentityResidual(nn.Module):
    """A residual block whose norms come before its convolutions.

    Args:
        inputs: Channels.
        widths: Of two 3x3 convolutions, or of a 1x1, a 3x3 and a 1x1 one.
        stride: Of the first convolution.
        dilation: Of the 3x3 ones.
        dropout: Probability that a channel before the last convolution is dropped.
    """

    def __init__(
        self, inputs: int, widths: tuple[int, ...], stride: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        self.bn1 = _norm_relu(inputs)
        sizes = (3, 3) if len(widths) == 2 else (1, 3, 1)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = inputs
        for number, (width, size) in enumerate(zip(widths, sizes, strict=True), 1):
            if number > 1:
                layers[f'bn{number}'] = _norm_relu(channels)
            if number == len(widths) and dropout:
                layers['dropout'] = nn.Dropout2d(dropout)
            spread = dilation if size == 3 else 1
            layers[f'conv{number}'] = nn.Conv2d(
                channels, width, size, stride if number == 1 else 1,
                padding=spread * (size // 2), dilation=spread, bias=False,
            )  # fmt: skip
            channels = width
        self.convs = nn.Sequential(layers)
        self.proj_conv: nn.Module | None = None
        if stride != 1 or inputs != channels:
            self.proj_conv = nn.Conv2d(inputs, channels, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, widths[-1], h / stride, w / stride)."""
        y = self.bn1(x)
        shortcut = x if self.proj_conv is None else self.proj_conv(y)
        result: torch.Tensor = self.convs(y) + shortcut
        return result


_STAGES: tuple[tuple[int, tuple[int, ...], int, int, float], ...] = (
    # blocks, widths, stride, dilation, dropout
    (3, (128, 128), 1, 1, 0.0),
    (3, (256, 256), 1, 1, 0.0),
    (6, (512, 512), 2, 1, 0.0),
    (3, (512, 1024), 1, 2, 0.0),
    (1, (512, 1024, 2048), 1, 4, 0.3),
    (1, (1024, 2048, 4096), 1, 4, 0.5),
)
"""Of WideResNet38, dilated to an output stride of 8; the first two follow a pooling each."""


@SEGMENTERS.register('deeplabv3plus_wrn38')
class DeepLabWideResNet38(PublishedDeepLab):
    """DeepLabV3+ on WideResNet38: 137 million parameters, logits at half of the resolution.

    Args:
        num_classes: Outputs of the network.
    """

    stride = 2

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.mod1 = nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, 64, 3, padding=1, bias=False)))
        self.pool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for number, (count, widths, stride, dilation, dropout) in enumerate(_STAGES, 2):
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            for block in range(1, count + 1):
                step = stride if block == 1 else 1
                blocks[f'block{block}'] = IdentityResidual(inputs, widths, step, dilation, dropout)
                inputs = widths[-1]
            self.add_module(f'mod{number}', nn.Sequential(blocks))
        self.add_decoder(128, inputs, plain=True)

    def levels(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (N, 3, h, w) to (N, 128, h / 2, w / 2) and (N, 4096, h / 8, w / 8)."""
        fine = self.get_submodule('mod2')(self.pool(self.mod1(image)))
        x = self.pool(fine)
        for number in range(3, 2 + len(_STAGES)):
            x = self.get_submodule(f'mod{number}')(x)
        return fine, x


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution around a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, 4 width, h / stride, w / stride)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


@SEGMENTERS.register('deeplabv3plus_r101')
class DeepLabResNet101(PublishedDeepLab):
    """DeepLabV3+ on ResNet-101 with three 3x3 convolutions at its start, output stride 8.

    Args:
        num_classes: Outputs of the network.
    """

    stride = 4

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.layer0 = nn.Sequential(
            nn.Conv2d(3, 64, 3, 2, 1, bias=False), *_norm_relu(64),
            nn.Conv2d(64, 64, 3, 1, 1, bias=False), *_norm_relu(64),
            nn.Conv2d(64, 128, 3, 1, 1, bias=False), *_norm_relu(128),
            nn.MaxPool2d(3, 2, 1),
        )  # fmt: skip
        inputs = 128
        # Blocks, width, stride, dilation; dilation takes the place of the last two strides.
        stages = ((3, 64, 1, 1), (4, 128, 2, 1), (23, 256, 1, 2), (3, 512, 1, 4))
        for number, (count, width, stride, dilation) in enumerate(stages, 1):
            blocks: list[nn.Module] = []
            for block in range(count):
                blocks.append(Bottleneck(inputs, width, 1 if block else stride, dilation))
                inputs = 4 * width
            self.add_module(f'layer{number}', nn.Sequential(*blocks))
        self.add_decoder(256, inputs, plain=False)

    def levels(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (N, 3, h, w) to (N, 256, h / 4, w / 4) and (N, 2048, h / 8, w / 8)."""
        fine = self.get_submodule('layer1')(self.layer0(image))
        x = fine
        for number in (2, 3, 4):
            x = self.get_submodule(f'layer{number}')(x)
        return fine, x
