# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The wire format of protocol buffers, as far as reading and filtering messages needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class MalformedError(Exception):
    """The bytes are no protocol buffer."""


class Record(NamedTuple):
    """One length-delimited field: its number, where its record starts, its value's place."""

    number: int
    start: int
    value: int
    end: int


def records(data: memoryview, start: int, end: int) -> Iterator[Record]:
    """Iterate over a message's length-delimited fields; numbers are checked and passed over.

    Raises:
        MalformedError: The message is cut short or no message.
    """
    position = start
    while position < end:
        first = position
        key, position = _varint(data, position, end)
        wire = key & 7
        if wire == 0:
            _, position = _varint(data, position, end)
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        elif wire == 2:
            length, position = _varint(data, position, end)
            if length > end - position:
                raise MalformedError
            yield Record(key >> 3, first, position, position + length)
            position += length
        else:
            raise MalformedError
    if position != end:
        raise MalformedError


def text(data: memoryview, record: Record) -> str:
    """Return a field's value as text."""
    return bytes(data[record.value : record.end]).decode('utf-8', 'replace')


def encode(number: int, value: bytes) -> bytes:
    """Return the record of a length-delimited field."""
    return _encode_varint(number << 3 | 2) + _encode_varint(len(value)) + value


def _varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise MalformedError


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
