# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From images to tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def channels_first(image: NDArray[np.uint8]) -> torch.Tensor:
    """Return an image (H, W, 3) as a uint8 tensor (3, H, W) of its own."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
