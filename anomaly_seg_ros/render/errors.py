# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with the arrays that a picture is made from."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomaly_seg_ros.errors import AnomalySegError


class RenderError(AnomalySegError):
    """A picture cannot be made from what was received."""


def check_image(image: Any, what: str = 'the image') -> None:
    """Refuse all but (H, W, 3) uint8 with at least one pixel."""
    if (
        not isinstance(image, np.ndarray)
        or image.ndim != 3
        or image.shape[2] != 3
        or image.dtype != np.uint8
        or image.size == 0
    ):
        msg = f'received {_describe(image)} as {what}, expected (H, W, 3) uint8 in RGB order'
        raise RenderError(msg)


def check_map(values: Any, shape: tuple[int, ...] | None, what: str, kinds: str) -> None:
    """Refuse all but (H, W) arrays of the wanted kinds of numbers and, if given, of that shape.

    Args:
        values: The array.
        shape: The image's height and width, or None when any will do.
        what: What the array is, for the error message.
        kinds: NumPy's letters for the kinds of numbers that are allowed ('u', 'b', 'f', 'i').
    """
    if (
        not isinstance(values, np.ndarray)
        or values.ndim != 2
        or values.dtype.kind not in kinds
        or values.size == 0
    ):
        number = 'float' if 'f' in kinds else 'uint8'
        msg = f'received {_describe(values)} as {what}, expected (H, W) {number}'
        raise RenderError(msg)
    if shape is not None and values.shape != shape:
        msg = (
            f'received {what} of {values.shape[1]}x{values.shape[0]} pixels for an image of '
            f'{shape[1]}x{shape[0]}: resize one of them first'
        )
        raise RenderError(msg)


def check_share(value: Any, what: str) -> None:
    """Refuse all but numbers from 0 to 1."""
    if not isinstance(value, (int, float, np.number)) or not 0 <= float(value) <= 1:
        msg = f'received {what} {value!r}, expected a number from 0 to 1'
        raise RenderError(msg)


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f'an array of shape {value.shape} and type {value.dtype}'
    return f'{type(value).__name__} {value!r:.40}'
