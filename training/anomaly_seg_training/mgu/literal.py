# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masked Gradient Update as the paper writes it: the reference that the fast one is held to.

Lu et al. 2021, "Anomaly-Aware Semantic Segmentation by Leveraging Synthetic-Unknown Data",
Algorithm 1, line by line: one image, one class, the whole image in every pass.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from anomaly_seg_training.mgu.config import RAW, SIGN, MguConfig


def literal_update(
    segment: Callable[[Tensor], Tensor],
    image: Tensor,
    region: Tensor,
    label: int,
    config: MguConfig,
) -> tuple[Tensor, Tensor]:
    """Update one image for one class.

    Args:
        segment: Maps (1, 3, h, w) of 0 to 255 to logits (1, C, h, w).
        image: X (3, h, w), 0 to 255.
        region: I, (h, w) bool: where the label is the adversarial class.
        label: The adversarial class.
        config: Step rule and iterations; `stop_share` is not part of the algorithm.

    Returns:
        X' (3, h, w), and (h, w) bool, where a pixel of the region is not the class any more.
    """
    x = image.clone()  # 1
    for _ in range(config.iterations):  # 4, with a cap
        with torch.no_grad():
            prediction = segment(x[None])[0].softmax(0).argmax(0)
        moving = region & (prediction == label)  # 5
        if not moving.any():
            break
        variable = x.clone().requires_grad_(True)
        share = segment(variable[None])[0].softmax(0)[label]
        loss = share[moving].sum() / moving.sum()  # equation 3
        (gradient,) = torch.autograd.grad(loss, variable)
        if config.rule == SIGN:
            gradient = gradient.sign()
        elif config.rule != RAW:
            gradient = gradient / gradient[:, moving].square().mean().sqrt()
        for row, column in moving.nonzero().tolist():  # 6
            x[:, row, column] -= config.step * gradient[:, row, column]  # 7
        x.clamp_(0, 255)
    with torch.no_grad():
        prediction = segment(x[None])[0].softmax(0).argmax(0)
    return x, region & (prediction != label)
