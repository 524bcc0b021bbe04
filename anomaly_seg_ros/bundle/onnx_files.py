# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which other files an ONNX model would open, read without the onnx package.

A model can keep tensors in files of any path. A bundle's hashes cover a tensor only if its file is
in the bundle, so the model is searched for such references before a runtime follows them. Only
the wire format of protocol buffers and a few field numbers of onnx.proto3 are needed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from anomaly_seg_ros.bundle.errors import BundleError

# Message -> field number -> message inside it (onnx.proto3, IR version 10 and earlier).
_MESSAGES: dict[str, dict[int, str]] = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {13: 'entry'},
    'entry': {},
}
_MAX_DEPTH = 64


def external_files(path: Path) -> set[str]:
    """Return the file locations that the tensors of a model name.

    Raises:
        BundleError: The file is not a whole ONNX model.
    """
    try:
        with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            view = memoryview(data)
            try:
                if not any(number == 7 for number, _, _ in _fields(view, 0, len(view))):
                    raise _MalformedError
                return set(_locations(view, 'model', 0, len(view), 0))
            finally:
                view.release()
    except (_MalformedError, ValueError) as error:
        msg = f'{path} is not a whole ONNX model: export or copy the bundle again'
        raise BundleError(msg) from error


class _MalformedError(Exception):
    """The bytes are no protocol buffer."""


def _locations(view: memoryview, kind: str, start: int, end: int, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise _MalformedError
    inner = _MESSAGES[kind]
    if kind == 'entry':
        parts = {number: bytes(view[a:b]) for number, a, b in _fields(view, start, end)}
        if parts.get(1) == b'location':
            yield parts.get(2, b'').decode('utf-8', 'replace')
        return
    for number, a, b in _fields(view, start, end):
        if number in inner:
            yield from _locations(view, inner[number], a, b, depth + 1)


def _fields(view: memoryview, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Iterate over (field number, start, end) of a message's length-delimited fields."""
    while position < end:
        key, position = _varint(view, position, end)
        wire = key & 7
        if wire == 0:
            _, position = _varint(view, position, end)
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        elif wire == 2:
            length, position = _varint(view, position, end)
            if length > end - position:
                raise _MalformedError
            yield key >> 3, position, position + length
            position += length
        else:
            raise _MalformedError
    if position != end:
        raise _MalformedError


def _varint(view: memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _MalformedError
