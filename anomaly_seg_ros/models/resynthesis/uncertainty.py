# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Uncertainty maps in [0, 1] from a segmenter's logits (equations 1 and 2 of SynBoost)."""

from __future__ import annotations

import torch
from torch import Tensor

from anomaly_seg_ros.models.base import ModelError
from anomaly_seg_ros.scores import Logits

MODES = ('dataset', 'image')
_LEAST = 1e-6


def softmax_distance(logits: Logits) -> Tensor:
    """Return 1 - (largest softmax - second largest), in [0, 1]; higher = less certain.

    Equation 2 of SynBoost, after Rottmann et al. 2018. In terms of differences to the largest
    logit, so that saturated logits give 0 and not NaN. 0 for one class.

    Args:
        logits: Reductions of logits.

    Returns:
        A map of their layout, float32.
    """
    if logits.num_classes == 1:
        return torch.zeros_like(logits.exp_sum)
    return 1 - (1 - (logits.second - logits.maximum).exp()) / logits.exp_sum


def normalise(
    values: Tensor, mode: str = 'dataset', bounds: tuple[float, float] = (0.0, 1.0)
) -> Tensor:
    """Bring a map to [0, 1].

    Args:
        values: (N, 1, H, W).
        mode: ``dataset``: by constants found over a data set, values beyond them clipped;
            ``image``: by each image's own lowest and highest value, which makes the most
            uncertain pixel of every image 1, however certain it is, so that scores of different
            images cannot be compared.
        bounds: Of ``dataset``: what becomes 0 and what becomes 1.

    Raises:
        ModelError: The mode is unknown, or the bounds are not low < high.
    """
    if mode not in MODES:
        msg = f'received the normalisation {mode!r}, expected one of: {", ".join(MODES)}'
        raise ModelError(msg)
    if mode == 'dataset':
        low, high = bounds
        if not low < high:
            msg = f'received the bounds {low}, {high} of a normalisation, expected low < high'
            raise ModelError(msg)
        return ((values - low) / (high - low)).clamp(0, 1)
    lowest, highest = values.amin((1, 2, 3), True), values.amax((1, 2, 3), True)
    return (values - lowest) / (highest - lowest).clamp(min=_LEAST)
