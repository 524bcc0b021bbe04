# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Channel masks of dropout that depend on seed, layer and sample, and on nothing else.

So a result depends neither on the batch size nor on which other layers are active, and a fast
sampler and the naive one meet the same masks.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor

from anomaly_seg_ros.oodmc.errors import OodmcError


def check_rate(rate: float, layer: str) -> float:
    """Return a dropout rate that can be used.

    Raises:
        OodmcError: It does not lie in [0, 1).
    """
    if not 0 <= rate < 1:
        msg = f'the layer {layer} has the dropout rate {rate}, expected 0 <= rate < 1'
        raise OodmcError(msg)
    return rate


def draw(
    seed: int, layer: str, first: int, count: int, shape: tuple[int, ...], rate: float
) -> Tensor:
    """Draw dropout masks: 0 with probability `rate`, else 1 / (1 - rate), so the mean is 1.

    Args:
        seed: Of the image, 0 or larger.
        layer: Name of the dropout layer in the network.
        first: Number of the first sample.
        count: How many samples.
        shape: Of one mask: ``(channels,)`` for channel dropout.
        rate: Probability of dropping.

    Returns:
        (count, *shape) float32 on the CPU.

    Raises:
        OodmcError: The rate does not lie in [0, 1).
    """
    check_rate(rate, layer)
    key = zlib.crc32(layer.encode())
    kept = np.stack([
        np.random.default_rng((seed, key, index)).random(shape, np.float32) >= rate
        for index in range(first, first + count)
    ])  # fmt: skip
    return torch.from_numpy(kept.astype(np.float32) / np.float32(1 - rate))
