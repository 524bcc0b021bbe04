# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far a network sees: the distance beyond which no input pixel changes a logit."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

_LONG, _SHORT, _BLOCK = 2048, 32, 32
"""Sides of the strip that is probed, and of what is lit in its middle, in pixels."""
_LOCAL = (
    nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.MaxPool2d, nn.AvgPool2d,
    nn.Dropout, nn.Dropout2d, nn.Identity,
)  # fmt: skip
"""Leaves that keep positive values positive and spread them as far as their kernels reach."""


@torch.no_grad()
def receptive_radius(network: nn.Module) -> int | None:
    """Return the distance, in pixels, beyond which an input pixel changes no logit.

    A copy of the network whose weights are all positive averages cannot cancel anything: lighting
    one block of a long dark strip shows every place that the block can reach. Functions without a
    module, such as a mean over the image or a resizing, are seen as they are.

    Args:
        network: Maps (1, 3, h, w) to (1, C, h / stride, w / stride).

    Returns:
        A multiple of 32 pixels; None where the network has other layers than convolutions, batch
        norms, ReLU and pooling, or sees further than a strip of 2048 pixels shows.
    """
    probe = copy.deepcopy(network).to('cpu', torch.float64).eval()
    for module in probe.modules():
        if not list(module.children()) and not isinstance(module, _LOCAL):
            return None
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            module.weight.fill_(1 / module.weight[0].numel())
        elif isinstance(module, nn.BatchNorm2d):
            # A fresh one: mean 0, deviation 1.
            module.reset_parameters()
            module.reset_running_stats()
        bias = getattr(module, 'bias', None)
        if isinstance(bias, Tensor):
            bias.zero_()
    reach = 0
    for shape in ((_SHORT, _LONG), (_LONG, _SHORT)):
        axis = 0 if shape[0] == _LONG else 1
        middle = _LONG // 2 // _BLOCK * _BLOCK
        image = torch.zeros(1, 3, *shape, dtype=torch.float64)
        image.narrow(2 + axis, middle, _BLOCK).fill_(1.0)
        lit = (probe(image)[0].sum(0) > 0).any(1 - axis).nonzero()[:, 0]
        if not len(lit):
            return None
        scale = _LONG // probe(image).shape[2 + axis]
        first, last = int(lit[0]) * scale, (int(lit[-1]) + 1) * scale
        if first == 0 or last >= _LONG:
            return None
        reach = max(reach, middle - first, last - middle - _BLOCK)
    return -(-reach // _BLOCK) * _BLOCK
