# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes read as WIDTHxHEIGHT, and as nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_seg_ros.size import Size, SizeError


@given(st.integers(1, 999_999), st.integers(1, 999_999))
def test_a_size_survives_being_written_and_read(width: int, height: int) -> None:
    size = Size(width, height)
    assert Size.parse(str(size)) == size
    assert size.shape == (height, width)


@pytest.mark.parametrize(
    'text', ['', '1024', '0x512', '1024x0', '-1x2', '1024*512', '1024x512x3', '1.5x2', '1x1234567']
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SizeError, match='expected WIDTHxHEIGHT, for example 1024x512'):
        Size.parse(text)
