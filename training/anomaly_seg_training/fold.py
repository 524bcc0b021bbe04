# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norm scales moved into the convolutions before them, for storage as float16.

An exporter multiplies both into one convolution. If the scale is 1 already, float16 weights stay
float16 values in the graph, so that graph and weights agree and both can be stored in two bytes.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


@torch.no_grad()
def fold_norms(segmenter: nn.Module) -> None:
    """Give every batch norm after a convolution mean 0 and scale 1, with the same results.

    Args:
        segmenter: In evaluation mode; convolution and norm are neighbours in an
            ``nn.Sequential``.
    """
    for module in segmenter.modules():
        if isinstance(module, nn.Sequential):
            for first, second in pairwise(module):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    _fold(first, second)


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    convolution.weight.mul_(scale.view(-1, 1, 1, 1))
    bias = torch.zeros_like(mean) if convolution.bias is None else convolution.bias
    norm.bias.add_(scale * (bias - mean))
    if convolution.bias is not None:
        convolution.bias.zero_()
    norm.weight.fill_(1)
    mean.zero_()
    variance.fill_(1 - norm.eps)
