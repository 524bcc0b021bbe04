# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The size of an image from the first bytes of its file, a thousand times quicker than decoding.

So that a whole set can be checked before the network runs on its first image.
"""

from __future__ import annotations

from pathlib import Path

from anomaly_seg_ros.size import Size

_HEAD = 1 << 16


def declared_size(path: Path) -> Size | None:
    """Return the size that a PNG, JPEG or WebP file declares; None where it must be decoded."""
    with path.open('rb') as file:
        head = file.read(_HEAD)
    for read in (_png, _jpeg, _webp):
        size = read(head)
        if size is not None:
            return size
    return None


def _png(head: bytes) -> Size | None:
    if not head.startswith(b'\x89PNG\r\n\x1a\n') or len(head) < 24:
        return None
    return Size(int.from_bytes(head[16:20], 'big'), int.from_bytes(head[20:24], 'big'))


def _jpeg(head: bytes) -> Size | None:
    if not head.startswith(b'\xff\xd8'):
        return None
    place = 2
    while place + 9 < len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        # A start of frame; three markers of that range are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (
                int.from_bytes(head[place + i : place + i + 2], 'big') for i in (5, 7)
            )
            return Size(width, height)
        place += 2 + int.from_bytes(head[place + 2 : place + 4], 'big')
    return None


def _webp(head: bytes) -> Size | None:
    if head[:4] != b'RIFF' or head[8:12] != b'WEBP' or len(head) < 30:
        return None
    kind = head[12:16]
    if kind == b'VP8 ' and head[23:26] == b'\x9d\x01\x2a':
        # 14 bits each; the two above them are a scale for display.
        width, height = (int.from_bytes(head[i : i + 2], 'little') & 0x3FFF for i in (26, 28))
        return Size(width, height)
    if kind == b'VP8L' and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], 'little')
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b'VP8X':
        width, height = (int.from_bytes(head[i : i + 3], 'little') + 1 for i in (24, 27))
        return Size(width, height)
    return None
