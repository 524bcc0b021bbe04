# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures between tensors, bytes and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_training.pages import save_page


def to_pixels(pictures: torch.Tensor) -> list[NDArray[np.uint8]]:
    """Return (N, 3, H, W) RGB, about [-1, 1], as (H, W, 3) uint8 each."""
    values = ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return list(values.permute(0, 2, 3, 1).cpu().numpy())


def from_pixels(images: torch.Tensor) -> torch.Tensor:
    """Return uint8 (N, 3, H, W) as floats in [-1, 1]."""
    return images.float() / 127.5 - 1


def write_page(folder: Path, name: str, page: NDArray[np.uint8]) -> None:
    """Write a page as ``NAME.png`` into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    save_page(page, folder / f'{name}.png')


def fixed_frames(crops: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack crops (3, H, W) uint8 to floats (N, 3, H, W) in [-1, 1]."""
    return from_pixels(torch.stack(list(crops)))
