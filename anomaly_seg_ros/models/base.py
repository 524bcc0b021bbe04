# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every segmenter is, and the registry that makes one from a name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.registry import Registry


class ModelError(AnomalySegError):
    """A segmenter cannot be built or its weights cannot be loaded."""


class Segmenter(nn.Module, ABC):
    """A network from images to per-pixel logits.

    Attributes:
        num_classes: Channels of the logits, C.
        stride: Input pixels per logit in each direction: 1, 2, 4 or 8.
    """

    num_classes: int
    stride: int

    @abstractmethod
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) float RGB to raw logits (N, C, h / stride, w / stride)."""

    def translate(self, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return a checkpoint's tensors under the names of this network.

        Segmenters whose published checkpoints name them otherwise, or hold more, override this.
        """
        return state


Last = TypeVar('Last', nn.Conv2d, nn.ConvTranspose2d)


def constant_output(layer: Last, value: float) -> Last:
    """Return the layer with weights of 0 and a bias of `value`."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, value)
    return layer


SEGMENTERS: Registry[type[Segmenter]] = Registry('segmenter')


def create_segmenter(name: str, *, num_classes: int, **options: Any) -> Segmenter:
    """Build a segmenter with fresh weights; nothing is downloaded.

    Args:
        name: A name of ``SEGMENTERS``.
        num_classes: Outputs of the network.
        **options: What that segmenter's constructor takes.

    Raises:
        KeyError: The name is unknown; the message lists the names that exist.
        ModelError: An option is unknown or has no valid value.
    """
    factory = SEGMENTERS.get(name)
    if num_classes < 1:
        msg = f'received num_classes={num_classes}, expected at least 1 class'
        raise ModelError(msg)
    try:
        return factory(num_classes=num_classes, **options)
    except TypeError as error:
        msg = f'the segmenter {name!r} cannot be built with options {options!r}: {error}'
        raise ModelError(msg) from error
