# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages and arrays that contradict themselves are refused with all the numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anomaly_seg_ros.nodes.image_conversion import ImageConversionError, to_message, to_rgb


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'step': 11}, ['step 11', '4x2 rgb8', 'at least 12']),
        ({'step': 0}, ['step 0', 'at least 12']),
        ({'data': bytes(23)}, ['23 bytes', 'expected 24', 'too short']),
        ({'data': bytes(25)}, ['25 bytes', 'expected 24', 'too long']),
        ({'data': b''}, ['0 bytes', 'expected 24', 'too short']),
        ({'width': 0}, ['0x2 pixels', 'at least 1x1']),
        ({'height': 0}, ['4x0 pixels', 'at least 1x1']),
        ({'width': 0, 'height': 0, 'step': 0, 'data': b''}, ['0x0 pixels', 'at least 1x1']),
        ({'encoding': 'foo7'}, ["'foo7'", 'rgb8', 'bayer_rggb8']),
        ({'encoding': ''}, ["''", 'expected one of']),
        ({'width': 4294967295, 'height': 4294967295}, ['4294967295x4294967295', 'at most']),
        ({'width': 30000, 'height': 30000}, ['30000x30000', 'at most 134217728']),
        ({'step': 4294967295}, ['24 bytes', 'expected 8589934590', 'too short']),
        ({'encoding': 'yuyv', 'width': 3}, ['3x2 yuyv', 'even width']),
        ({'encoding': 'nv12', 'height': 3}, ['4x3 nv12', 'even width and height']),
        ({'encoding': 'nv12', 'step': 3}, ['step 3', 'at least 4']),
    ],
)
def test_contradictions_are_named(changes: dict[str, Any], words: list[str]) -> None:
    fields = {
        'encoding': 'rgb8', 'width': 4, 'height': 2, 'step': 12, 'data': bytes(24),
        'is_bigendian': 0, **changes,
    }  # fmt: skip
    image = SimpleNamespace(**fields)
    with pytest.raises(ImageConversionError) as caught:
        to_rgb(image)
    for word in words:
        assert word in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('array', 'encoding', 'words'),
    [
        (np.zeros((2, 3), np.float64), '32FC1', ['float64', 'float32']),
        (np.zeros((2, 3), np.uint8), 'rgb8', ['(2, 3)', '3 channels']),
        (np.zeros((2, 3, 4), np.uint8), 'rgb8', ['(2, 3, 4)', '3 channels']),
        (np.zeros((2, 3), np.uint8), 'foo', ["'foo'", 'rgb8']),
        (np.zeros((0, 3), np.uint8), 'mono8', ['3x0']),
        (np.zeros((4, 4), np.uint8), 'nv12', ['4 rows']),
    ],
)
def test_arrays_that_do_not_fit_are_not_written(
    array: Any, encoding: str, words: list[str]
) -> None:
    with pytest.raises(ImageConversionError) as caught:
        to_message(array, encoding)
    for word in words:
        assert word in str(caught.value)
