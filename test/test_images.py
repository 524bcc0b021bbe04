# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images are read as they are, or refused with a sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.images import ImageError, decode_image, read_image, read_label_map


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def test_an_image_is_read_in_rgb_order(tmp_path: Path, rgb: np.ndarray) -> None:
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), rgb[..., ::-1])
    assert np.array_equal(read_image(path), rgb)


def test_a_grey_image_becomes_three_equal_channels(rgb: np.ndarray) -> None:
    image = decode_image(cv2.imencode('.png', rgb[..., 0])[1].tobytes())
    assert np.array_equal(image, np.repeat(rgb[..., :1], 3, axis=2))


def test_labels_are_read_unchanged(tmp_path: Path, rgb: np.ndarray) -> None:
    path = tmp_path / 'labels.png'
    cv2.imwrite(str(path), rgb[..., 0])
    assert np.array_equal(read_label_map(path), rgb[..., 0])


@pytest.mark.parametrize('kind', ['colour', 'sixteen bits'])
def test_a_label_map_of_another_kind_is_refused(
    tmp_path: Path, rgb: np.ndarray, kind: str
) -> None:
    path = tmp_path / 'labels.png'
    cv2.imwrite(str(path), rgb if kind == 'colour' else rgb[..., 0].astype(np.uint16))
    with pytest.raises(ImageError, match='expected one channel of 8 bits'):
        read_label_map(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match='nowhere.png: No such file'):
        read_image(tmp_path / 'nowhere.png')


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_garbage_is_an_error_of_ours_or_an_image(data: bytes) -> None:
    try:
        image = decode_image(data)
    except ImageError as error:
        assert 'expected' in str(error)
    else:
        assert image.ndim == 3


@pytest.mark.parametrize('kind', ['png', 'jpeg'])
def test_a_huge_declared_size_is_refused_before_decoding(rgb: np.ndarray, kind: str) -> None:
    if kind == 'png':
        data = bytearray(cv2.imencode('.png', rgb)[1].tobytes())
        data[16:24] = struct.pack('>II', 100_000, 100_000)
        pixels = 10_000_000_000
    else:
        data = bytearray(cv2.imencode('.jpg', rgb)[1].tobytes())
        start = data.index(b'\xff\xc0') + 5
        data[start : start + 4] = struct.pack('>HH', 60_000, 60_000)
        pixels = 3_600_000_000
    with pytest.raises(ImageError, match=f'declares {pixels} pixels'):
        decode_image(bytes(data))
