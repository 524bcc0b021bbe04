# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a JPEG or PNG file is whole, before a decoder paints over what is missing."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.images import ImageError

_JPEG_START = b'\xff\xd8'
_JPEG_END = b'\xff\xd9'
_PNG_START = b'\x89PNG\r\n\x1a\n'


def check_whole(data: NDArray[np.uint8], what: str) -> None:
    """Refuse a JPEG without its end marker and a PNG with a missing or damaged chunk.

    Other formats pass; their decoder judges them.

    Args:
        data: (n,) uint8, the content of a file.
        what: What the data is, for the error message.

    Raises:
        ImageError: The file is cut short or damaged.
    """
    content = data.data
    if bytes(content[:2]) == _JPEG_START:
        _check_jpeg(content.tobytes(), what)
    elif bytes(content[:8]) == _PNG_START:
        _check_png(content, what)


def _check_jpeg(content: bytes, what: str) -> None:
    # The header's segments are skipped, since a thumbnail in them has an end marker of its own.
    # In the picture's data a byte 0xFF is followed by 0 or a marker, so the pair is no accident.
    position = 2
    while content[position : position + 1] == b'\xff':
        marker = content[position + 1 : position + 2]
        if marker == b'\xff':
            position += 1
            continue
        length = int.from_bytes(content[position + 2 : position + 4], 'big')
        position += 2 + length
        if marker == b'\xda' or length < 2:
            break
    if content.rfind(_JPEG_END) < position:
        msg = (
            f'{what} is a JPEG of {len(content)} bytes that ends before its end marker: '
            'expected a whole file'
        )
        raise ImageError(msg)


def _check_png(content: memoryview, what: str) -> None:
    position = len(_PNG_START)
    while position + 12 <= len(content):
        (length,) = struct.unpack('>I', content[position : position + 4])
        end = position + 8 + length
        if end + 4 > len(content):
            break
        kind = bytes(content[position + 4 : position + 8])
        (checksum,) = struct.unpack('>I', content[end : end + 4])
        if zlib.crc32(content[position + 4 : end]) != checksum:
            msg = f'{what} is a PNG with a damaged {kind!r} chunk: expected an intact file'
            raise ImageError(msg)
        if kind == b'IEND':
            return
        position = end + 4
    msg = f'{what} is a PNG of {len(content)} bytes that ends too early: expected a whole file'
    raise ImageError(msg)
