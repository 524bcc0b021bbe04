# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The time stamp at the head of a serialised message, read and replaced in place.

A message whose first field is a std_msgs/Header begins, after the four bytes of the CDR
encapsulation, with its stamp: seconds (int32) and nanoseconds (uint32).
"""

from __future__ import annotations

import struct

from anomaly_seg_ros.bags.errors import BagError

NANOSECONDS = 1_000_000_000


def read_stamp(data: bytes | memoryview) -> int:
    """Return the header stamp of a serialised message in nanoseconds.

    Args:
        data: CDR of a message whose first field is a header, or of a header.

    Raises:
        BagError: The data is too short to hold one.
    """
    seconds, nanoseconds = struct.unpack_from(_format(data), data, 4)
    return int(seconds) * NANOSECONDS + int(nanoseconds)


def with_stamp(data: bytes | memoryview, stamp: int) -> bytes:
    """Return a copy of a serialised message with another header stamp.

    Args:
        data: CDR of a message whose first field is a header.
        stamp: Nanoseconds since the epoch, within 32 bits of seconds.

    Raises:
        BagError: The data is too short or the stamp out of range.
    """
    if not 0 <= stamp < 2**31 * NANOSECONDS:
        msg = f'received the stamp {stamp} ns, expected 0 to 2^31 s'
        raise BagError(msg)
    form = _format(data)
    changed = bytearray(data)
    struct.pack_into(form, changed, 4, *divmod(stamp, NANOSECONDS))
    return bytes(changed)


def _format(data: bytes | memoryview) -> str:
    if len(data) < 12:
        msg = f'received a message of {len(data)} bytes, expected a header with a stamp'
        raise BagError(msg)
    # Of each pair of encapsulations (CDR, PL_CDR, those of XCDR2) the odd one is little-endian.
    return '<iI' if data[1] % 2 else '>iI'
