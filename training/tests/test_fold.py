# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folding leaves the function alone and the norms without scale."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_training.fold import fold_norms


@pytest.mark.parametrize('name', ['litenet', 'erfnet'])
def test_results_stay(name: str) -> None:
    torch.manual_seed(0)
    segmenter = create_segmenter(name, num_classes=3)
    for module in segmenter.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    segmenter.eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = segmenter(image)
        fold_norms(segmenter)
        after = segmenter(image)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


def test_a_hand_computed_pair() -> None:
    convolution, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0.0)
    with torch.no_grad():
        convolution.weight.fill_(3)
        convolution.bias.fill_(1)
        norm.running_mean.fill_(5)
        norm.running_var.fill_(4)
        norm.weight.fill_(6)
        norm.bias.fill_(7)
    pair = nn.Sequential(convolution, norm).eval()
    # 6 * (3 x + 1 - 5) / 2 + 7 = 9 x - 5
    fold_norms(pair)
    assert (convolution.weight.item(), convolution.bias.item()) == (9, 0)
    assert (norm.weight.item(), norm.bias.item()) == (1, -5)
    assert pair(torch.full((1, 1, 1, 1), 2.0)).item() == 13
