# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The decision: which pixels are anomalous."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def anomaly_mask(score: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """Return 255 where the score is above the threshold, 0 elsewhere and where it is NaN.

    Args:
        score: Any shape, higher = more anomalous.
        threshold: Compared in float32, the precision of scores.
    """
    mask: NDArray[np.uint8] = np.greater(score, np.float32(threshold)).view(np.uint8)
    mask *= 255
    return mask
