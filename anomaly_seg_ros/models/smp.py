# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DeepLabV3, DeepLabV3+ and PSPNet through segmentation_models_pytorch.

Chen et al. 2017 (arXiv 1706.05587), Chen et al. 2018 (arXiv 1802.02611), Zhao et al. 2017
(arXiv 1612.01105). The logits come out at the decoder's own stride: the detector graph upsamples
them itself, once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from anomaly_seg_ros.models.base import SEGMENTERS, ModelError, Segmenter


class SmpSegmenter(Segmenter):
    """One architecture of segmentation_models_pytorch.

    Args:
        num_classes: Outputs of the network.
        encoder: An encoder name of segmentation_models_pytorch; ``tu-`` names come from timm.
        encoder_weights: Name of pretrained encoder weights, which are downloaded; None for fresh
            ones, and when weights are loaded afterwards.
        **options: What the architecture's constructor takes beside these.

    Raises:
        ModelError: The package is missing, or the encoder or an option is unknown.
    """

    architecture = ''

    def __init__(
        self,
        num_classes: int,
        encoder: str = 'resnet18',
        encoder_weights: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        try:
            import segmentation_models_pytorch
        except ImportError as error:
            msg = (
                f'the segmenter {self.architecture} needs segmentation_models_pytorch, which is '
                'not installed: pip install segmentation-models-pytorch'
            )
            raise ModelError(msg) from error
        build = getattr(segmentation_models_pytorch, self.architecture)
        self.num_classes = num_classes
        try:
            self.network: nn.Module = build(
                encoder_name=encoder,
                encoder_weights=encoder_weights,
                classes=num_classes,
                upsampling=1,
                **options,
            )
        except (KeyError, ValueError, TypeError) as error:
            msg = (
                f'{self.architecture} cannot be built with encoder {encoder!r}, weights '
                f'{encoder_weights!r} and options {options!r}: {error}'
            )
            raise ModelError(msg) from error

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to logits (N, C, h / stride, w / stride)."""
        logits: torch.Tensor = self.network(image)
        return logits


@SEGMENTERS.register('deeplabv3')
class DeepLabV3(SmpSegmenter):
    """DeepLabV3: atrous spatial pyramid pooling at output stride 8."""

    architecture = 'DeepLabV3'
    stride = 8


@SEGMENTERS.register('deeplabv3plus')
class DeepLabV3Plus(SmpSegmenter):
    """DeepLabV3+: DeepLabV3 with a decoder at a quarter of the resolution."""

    architecture = 'DeepLabV3Plus'
    stride = 4


@SEGMENTERS.register('pspnet')
class PSPNet(SmpSegmenter):
    """PSPNet: pyramid pooling over an encoder cut at a stride of 8."""

    architecture = 'PSPNet'
    stride = 8
