# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dilated smoothing: a Gaussian whose taps lie six pixels apart."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from anomaly_seg_ros.refinement import fast
from anomaly_seg_ros.refinement.dispatch import by_image, is_plain
from anomaly_seg_ros.refinement.kernel import DILATION, PADDING, TAPS


def smooth(score: Tensor) -> Tensor:
    """Smooth a score by a Gaussian of 7 x 7 taps, standard deviation 1, dilation 6.

    Jung et al., Standardized Max Logits, ICCV 2021, section 3.4. The kernel is the product of a
    column and a row, normalised; border pixels are repeated beyond the border (replicate
    padding), so images may be smaller than the 37 pixels that the kernel reaches over.

    Args:
        score: (N, H, W), any floating type, finite.

    Returns:
        (N, H, W) float32.
    """
    score = score.float()
    if is_plain(score):
        return by_image(fast.smooth, score)
    for axis, padding in ((1, (0, 0, PADDING, PADDING)), (2, (PADDING, PADDING, 0, 0))):
        size = score.shape[axis]
        padded = F.pad(score[:, None], padding, mode='replicate')[:, 0]
        shifted = [padded.narrow(axis, tap * DILATION, size) for tap in range(len(TAPS))]
        centre = len(TAPS) // 2
        score = shifted[centre] * TAPS[centre]
        for tap in range(centre):
            score = score + (shifted[tap] + shifted[-1 - tap]) * TAPS[tap]
    return score
