# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages of pictures as files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.files import atomic_path
from anomaly_seg_training.errors import LabError

_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')


def check_name(path: Path, option: str = '--out') -> None:
    """Refuse a name that is no image's, before anything is computed.

    Raises:
        LabError: It is not.
    """
    if path.suffix.lower() not in _SUFFIXES:
        msg = f'received {option} {path}, expected a name that ends in .png'
        raise LabError(msg)


def save_page(page: NDArray[np.uint8], path: Path) -> Path:
    """Write an image (H, W, 3) uint8 RGB and return its path.

    Raises:
        LabError: It is too large for its format.
    """
    with atomic_path(path) as temporary:
        if not cv2.imwrite(str(temporary), page[..., ::-1]):
            msg = f'cannot write {path}: the page of {page.shape[1]}x{page.shape[0]} is too large'
            raise LabError(msg)
    return path
