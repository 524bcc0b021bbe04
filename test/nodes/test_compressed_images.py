# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed images, whole and damaged."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.nodes.image_conversion import ImageConversionError, compressed_to_rgb


def picture() -> np.ndarray:
    y, x = np.mgrid[0:48, 0:64]
    return np.dstack([4 * x, 5 * y, 255 - 2 * x - 2 * y]).astype(np.uint8)


def encoded(suffix: str, *options: int) -> bytes:
    """Return the picture as a file; OpenCV wants BGR."""
    done, data = cv2.imencode(suffix, picture()[..., ::-1], list(options))
    assert done
    return data.tobytes()


def message(data: bytes, form: str = 'jpeg') -> SimpleNamespace:
    return SimpleNamespace(format=form, data=data)


PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)


def test_png_is_lossless_and_rgb() -> None:
    received = compressed_to_rgb(message(encoded('.png'), 'rgb8; png compressed bgr8'))
    np.testing.assert_array_equal(received, picture())


@pytest.mark.parametrize('options', [(), PROGRESSIVE, RESTARTS])
@pytest.mark.parametrize('form', ['jpeg', 'bgr8; jpeg compressed bgr8', 'jpg', ''])
def test_jpeg_is_close_and_rgb(options: tuple[int, ...], form: str) -> None:
    received = compressed_to_rgb(message(encoded('.jpg', *options), form))
    assert np.abs(received.astype(int) - picture()).mean() < 4


def test_bytes_after_the_end_of_a_jpeg_are_harmless() -> None:
    assert compressed_to_rgb(message(encoded('.jpg') + bytes(512))).shape == (48, 64, 3)


@pytest.mark.parametrize('options', [(), PROGRESSIVE, RESTARTS])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_jpeg_is_refused(options: tuple[int, ...], share: float) -> None:
    data = encoded('.jpg', *options)
    with pytest.raises(ImageConversionError, match='whole'):
        compressed_to_rgb(message(data[: int(share * len(data))]))


def test_the_end_marker_of_a_thumbnail_does_not_count() -> None:
    data = encoded('.jpg')
    thumbnail = encoded('.jpg')
    segment = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    whole = data[:2] + segment + data[2:]
    assert compressed_to_rgb(message(whole)).shape == (48, 64, 3)
    with pytest.raises(ImageConversionError, match='end marker'):
        compressed_to_rgb(message(whole[:-20]))


@pytest.mark.parametrize('share', [0.1, 0.5, 0.99])
def test_a_truncated_png_is_refused(share: float) -> None:
    data = encoded('.png')
    with pytest.raises(ImageConversionError, match='whole'):
        compressed_to_rgb(message(data[: int(share * len(data))], 'png'))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_png_with_one_changed_byte_is_refused(choice: st.DataObject) -> None:
    data = bytearray(encoded('.png'))
    position = choice.draw(st.integers(8, len(data) - 1))
    data[position] ^= choice.draw(st.integers(1, 255))
    with pytest.raises(ImageConversionError):
        compressed_to_rgb(message(bytes(data), 'png'))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'BM']))
def test_garbage_is_refused_with_one_sentence(data: bytes, start: bytes) -> None:
    with pytest.raises(ImageConversionError) as caught:
        compressed_to_rgb(message(start + data))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('form', 'words'),
    [
        ('16UC1; compressedDepth png', 'depth'),
        ('bayer_rggb8; jpeg compressed ', 'Bayer'),
    ],
)
def test_formats_without_colours_are_refused(form: str, words: str) -> None:
    with pytest.raises(ImageConversionError, match=words):
        compressed_to_rgb(message(encoded('.png'), form))
