# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Still images from untrusted files and bytes, with limits on their size."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.errors import AnomalySegError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff', '.ppm', '.pgm')
MAX_FILE_BYTES = 256 * 2**20
MAX_PIXELS = 2**27
"""134 million pixels, four 8k images: beyond it an image is refused before it is decoded."""


class ImageError(AnomalySegError):
    """An image cannot be read."""


def read_image(path: Path | str) -> NDArray[np.uint8]:
    """Read a colour image.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ImageError: The file is missing, too large or no image.
    """
    return decode_image(_read_bytes(Path(path)), what=str(path))


def read_label_map(path: Path | str) -> NDArray[np.uint8]:
    """Read a single-channel label image without changing a value.

    Returns:
        (H, W) uint8.

    Raises:
        ImageError: The file is missing, no image, or has several channels or 16 bits.
    """
    return decode_label_map(_read_bytes(Path(path)), str(path))


def decode_label_map(data: bytes | NDArray[np.uint8], what: str = 'the data') -> NDArray[np.uint8]:
    """Decode a single-channel label image without changing a value.

    Args:
        data: A whole file.
        what: What the data is, for the error message.

    Returns:
        (H, W) uint8.

    Raises:
        ImageError: The data is no image, or has several channels or 16 bits.
    """
    labels = _decode(data, cv2.IMREAD_UNCHANGED, what)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        msg = (
            f'{what} has shape {labels.shape} and type {labels.dtype}, '
            'expected one channel of 8 bits: pass the label ids, not the coloured image'
        )
        raise ImageError(msg)
    return labels.astype(np.uint8, copy=False)


def decode_image(data: bytes | NDArray[np.uint8], what: str = 'the data') -> NDArray[np.uint8]:
    """Decode a compressed colour image.

    Args:
        data: A whole PNG, JPEG, WebP, BMP or TIFF file.
        what: What the data is, for the error message.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ImageError: The data is corrupt, truncated, too large or of no known format.
    """
    # Camera orientation tags would turn the image away from its labels and calibration.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = _decode(data, flags, what)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr).astype(np.uint8, copy=False)


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            msg = f'{path} has {size} bytes, expected an image of at most {MAX_FILE_BYTES}'
            raise ImageError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f'cannot read {path}: {error.strerror or error}'
        raise ImageError(msg) from error


def _decode(data: bytes | NDArray[np.uint8], flags: int, what: str) -> NDArray[Any]:
    content = np.frombuffer(data, np.uint8)
    # A small file can name a huge size; it is refused before memory is taken for it.
    pixels = _declared_pixels(content[:65536].tobytes())
    if pixels is not None and pixels > MAX_PIXELS:
        msg = f'{what} declares {pixels} pixels, expected at most {MAX_PIXELS}'
        raise ImageError(msg)
    try:
        image = cv2.imdecode(content, flags) if content.size else None
    except cv2.error:
        image = None
    if image is None:
        msg = (
            f'{what} ({content.size} bytes) is not an image that can be decoded: '
            'expected a whole PNG, JPEG, WebP, BMP or TIFF file'
        )
        raise ImageError(msg)
    return image


def _declared_pixels(head: bytes) -> int | None:
    """Return width x height as a PNG or JPEG header declares it, None for other formats."""
    if head.startswith(b'\x89PNG') and len(head) >= 24:
        width, height = struct.unpack('>II', head[16:24])
        return int(width) * int(height)
    if head.startswith(b'\xff\xd8'):
        position = 2
        while position + 9 < len(head) and head[position] == 0xFF:
            marker = head[position + 1]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack('>HH', head[position + 5 : position + 9])
                return int(width) * int(height)
            position += 2 + int.from_bytes(head[position + 2 : position + 4], 'big')
    return None
