# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of two forms of a step runs: PyTorch operators, or NumPy and OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def is_plain(tensor: Tensor) -> bool:
    """Tell whether NumPy can have the memory: not on a GPU, not traced, not differentiated."""
    plain = type(tensor) is Tensor and tensor.device.type == 'cpu' and not tensor.requires_grad
    return plain and not torch.compiler.is_compiling()


def by_image(function: Callable[..., NDArray[Any]], *batches: Tensor) -> Tensor:
    """Apply a function of (H, W) arrays to every image of (N, H, W) tensors."""
    arrays = [batch.numpy() for batch in batches]
    return torch.stack(
        [torch.from_numpy(function(*images)) for images in zip(*arrays, strict=True)]
    )
