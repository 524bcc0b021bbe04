# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The stamp at the head of a serialised message."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_seg_ros.bags import BagError
from anomaly_seg_ros.bags.cdr import read_stamp, with_stamp
from anomaly_seg_ros.bags.messages import deserialize, image_message, typestore
from anomaly_seg_ros.bags.topics import IMAGE

PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


@given(st.integers(0, 2**31 * 10**9 - 1), st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_are_read_and_replaced(first: int, second: int) -> None:
    data = image_message(PIXELS, 'rgb8', first)
    assert read_stamp(data) == first
    changed = with_stamp(data, second)
    assert changed == image_message(PIXELS, 'rgb8', second)


def test_big_endian_messages_are_read_and_replaced() -> None:
    message = deserialize(image_message(PIXELS, 'rgb8', 5_000_000_007), IMAGE)
    data = bytes(typestore().serialize_cdr(message, IMAGE, little_endian=False))
    assert read_stamp(data) == 5_000_000_007
    changed = deserialize(with_stamp(data, 9_000_000_001), IMAGE)
    assert (changed.header.stamp.sec, changed.header.stamp.nanosec) == (9, 1)


def test_short_data_and_impossible_stamps_are_refused() -> None:
    with pytest.raises(BagError, match='11 bytes'):
        read_stamp(bytes(11))
    with pytest.raises(BagError, match='expected 0 to'):
        with_stamp(image_message(PIXELS, 'rgb8', 0), -1)
