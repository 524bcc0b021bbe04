# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layers with an equalised learning rate, and the convolution that styles modulate."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_training.issa.filters import blur

_SLOPE = 0.2
_EPS = 1e-8


def activate(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of slope 0.2 that keeps the signal's power (gain sqrt 2)."""
    return functional.leaky_relu(x, _SLOPE) * math.sqrt(2)


class EqualLinear(nn.Module):
    """A linear layer whose weights are N(0, 1) and scaled when used (Karras et al. 2018).

    Args:
        inputs: Size of its input.
        outputs: Size of its output.
        bias: Start of the bias.
        rate: Factor of its learning rate.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., inputs) to (..., outputs)."""
        scale = self.rate / math.sqrt(self.weight.shape[1])
        return functional.linear(x, self.weight * scale, self.bias * self.rate)


class EqualConv(nn.Module):
    """A convolution with an equalised learning rate; it may halve the sides after a blur.

    Args:
        inputs: Channels.
        outputs: Channels.
        size: Of the kernel, odd.
        down: Whether the sides are halved.
        bias: Whether there is a bias.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, down: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.down = down

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h, w), or half of the sides."""
        size = self.weight.shape[-1]
        weight = self.weight / math.sqrt(self.weight[0].numel())
        if not self.down:
            return functional.conv2d(x, weight, self.bias, padding=size // 2)
        # Padding of blur and convolution together: the result has half of the size.
        total = size // 2 * 2 + 2
        filtered = blur(x, (total - total // 2, total // 2))
        return functional.conv2d(filtered, weight, self.bias, stride=2)


class ModulatedConv(nn.Module):
    """A convolution whose weights a style scales, input channel by input channel.

    Equations 1 and 3 of StyleGAN2: ``w'_ijk = s_i w_ijk`` and ``w''_ijk = w'_ijk / sqrt(sum_ik
    w'_ijk^2 + eps)``. Scaling the inputs by s and the outputs by the root gives the same result
    with one convolution for the whole batch.

    Args:
        inputs: Channels.
        outputs: Channels.
        size: Of the kernel, odd.
        codes: Size of a style code w.
        demodulate: Whether weights are brought to unit norm again.
        up: Whether the sides are doubled, with a blur.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, codes: int, demodulate: bool = True,
        up: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.affine = EqualLinear(codes, inputs, bias=1.0)
        self.demodulate = demodulate
        self.up = up

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Convolve.

        Args:
            x: (N, inputs, h, w).
            code: (N, codes).

        Returns:
            (N, outputs, h, w), or double of the sides.
        """
        weight = self.weight / math.sqrt(self.weight[0].numel())
        style = self.affine(code)
        x = x * style[:, :, None, None]
        if self.up:
            x = functional.conv_transpose2d(x, weight.transpose(0, 1).flip(2, 3), stride=2)
            x = blur(x, (1, 1), 4.0)
        else:
            x = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            power = style.square() @ weight.square().sum((2, 3)).T
            x = x * (power + _EPS).rsqrt()[:, :, None, None]
        return x
