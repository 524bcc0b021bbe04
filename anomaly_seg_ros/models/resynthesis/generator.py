# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generators of images from label maps."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.models.base import ModelError
from anomaly_seg_ros.models.resynthesis.spade import Spade
from anomaly_seg_ros.registry import Registry

_SLOPE = 0.2
_MULTIPLIERS = (16, 16, 16, 16, 8, 4, 2, 1)
_UPSAMPLED = (0, 2, 3, 4, 5)
"""Blocks whose results are doubled in size before the next one."""


class LayoutGenerator(nn.Module, ABC):
    """From a coarse label map up to an image, each block being told the labels again.

    The schedule is SPADE's (Park et al. 2019, appendix A): seven blocks, five doublings.

    Args:
        classes: Channels of the label map, C.
        channels: Of the finest block.
        most: Channels of the coarsest blocks, as a multiple of `channels`; 16 as published.
        styles: Length of a style that shifts the coarsest features; 0 for none.

    Attributes:
        stride: Sides of label maps must be multiples of this.
    """

    stride = 2 ** len(_UPSAMPLED)

    def __init__(self, classes: int, channels: int, most: int, styles: int) -> None:
        super().__init__()
        if min(classes, channels, most) < 1 or styles < 0:
            msg = (
                f'received classes={classes}, channels={channels}, most={most}, styles={styles}, '
                'expected at least 1 of each and 0 or more styles'
            )
            raise ModelError(msg)
        self.classes = classes
        self.styles = styles
        widths = [channels * min(most, multiplier) for multiplier in _MULTIPLIERS]
        self.start = nn.Conv2d(classes, widths[0], 3, padding=1)
        self.shift = nn.Linear(styles, widths[0]) if styles else None
        self.widths = widths
        self.blocks = nn.ModuleList()
        self.picture = nn.Conv2d(widths[-1], 3, 3, padding=1)

    @abstractmethod
    def guides(self, layout: torch.Tensor) -> list[torch.Tensor]:
        """Return what each of `blocks` is told of the labels."""

    def forward(self, layout: torch.Tensor, style: torch.Tensor | None = None) -> torch.Tensor:
        """Draw images.

        Args:
            layout: (N, C, H, W) of 0 and 1, void pixels 0 everywhere; sides are multiples of
                `stride`.
            style: (N, styles), needed if there are styles.

        Returns:
            (N, 3, H, W) RGB in [-1, 1].

        Raises:
            ModelError: The shapes do not fit.
        """
        self._check(layout, style)
        height, width = layout.shape[2] // self.stride, layout.shape[3] // self.stride
        x = self.start(functional.interpolate(layout, (height, width), mode='nearest'))
        if self.shift is not None:
            x = x + self.shift(style)[:, :, None, None]
        for number, (block, guide) in enumerate(
            zip(self.blocks, self.guides(layout), strict=True)
        ):
            x = block(x, guide)
            if number in _UPSAMPLED:
                x = functional.interpolate(x, scale_factor=2, mode='nearest')
        return torch.tanh(self.picture(functional.leaky_relu(x, _SLOPE)))

    def _check(self, layout: torch.Tensor, style: torch.Tensor | None) -> None:
        number, classes, height, width = layout.shape
        if classes != self.classes:
            msg = f'received a label map of {classes} classes, expected {self.classes}'
            raise ModelError(msg)
        stride = self.stride
        if height < stride or width < stride or height % stride or width % stride:
            msg = (
                f'received a label map of {width}x{height}, expected sides that are multiples '
                f'of {stride}: resize it'
            )
            raise ModelError(msg)
        if self.styles and (style is None or tuple(style.shape) != (number, self.styles)):
            received = None if style is None else tuple(style.shape)
            msg = f'received a style of shape {received}, expected {(number, self.styles)}'
            raise ModelError(msg)


class SpadeResidual(nn.Module):
    """Two convolutions, each after SPADE and ReLU, and a shortcut (Figure 4 of the paper)."""

    def __init__(self, inputs: int, outputs: int, classes: int, hidden: int, norm: str) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.norm1 = Spade(inputs, classes, hidden, norm)
        self.conv1 = nn.Conv2d(inputs, middle, 3, padding=1)
        self.norm2 = Spade(middle, classes, hidden, norm)
        self.conv2 = nn.Conv2d(middle, outputs, 3, padding=1)
        self.shortcut_norm: Spade | None = None
        if inputs != outputs:
            self.shortcut_norm = Spade(inputs, classes, hidden, norm)
            self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor, layout: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) and labels (N, classes, H, W) to (N, outputs, h, w)."""
        y = self.conv1(functional.leaky_relu(self.norm1(x, layout), _SLOPE))
        y = self.conv2(functional.leaky_relu(self.norm2(y, layout), _SLOPE))
        if self.shortcut_norm is not None:
            x = self.shortcut(self.shortcut_norm(x, layout))
        result: torch.Tensor = x + y
        return result


GENERATORS: Registry[type[LayoutGenerator]] = Registry('generator')


@GENERATORS.register('spade')
class SpadeGenerator(LayoutGenerator):
    """SPADE's generator; 93.0 million parameters as published for Cityscapes.

    Args:
        classes: Channels of the label map.
        channels: Of the finest block; 64 as published, 8 to 16 for a light one.
        hidden: Channels inside each SPADE; 128 as published.
        most: See `LayoutGenerator`.
        styles: See `LayoutGenerator`.
        norm: ``batch`` as published, or ``instance``, which needs no large batches.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 64,
        hidden: int = 128,
        most: int = 16,
        styles: int = 0,
        norm: str = 'batch',
    ) -> None:
        super().__init__(classes, channels, most, styles)
        self.blocks.extend(
            SpadeResidual(inputs, outputs, classes, hidden, norm)
            for inputs, outputs in itertools.pairwise(self.widths)
        )

    def guides(self, layout: torch.Tensor) -> list[torch.Tensor]:
        """Return the labels for every block."""
        return [layout] * len(self.blocks)


def create_generator(name: str, *, classes: int, **options: Any) -> LayoutGenerator:
    """Build a generator with fresh weights.

    Args:
        name: A name of ``GENERATORS``.
        classes: Channels of its label maps.
        **options: What that generator's constructor takes.

    Raises:
        KeyError: The name is unknown; the message lists the names that exist.
        ModelError: An option is unknown or has no valid value.
    """
    factory = GENERATORS.get(name)
    try:
        return factory(classes=classes, **options)
    except TypeError as error:
        msg = f'the generator {name!r} cannot be built with options {options!r}: {error}'
        raise ModelError(msg) from error
