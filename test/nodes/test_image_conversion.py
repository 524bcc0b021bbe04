# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages against a slow reference that reads one pixel at a time."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.nodes.image_conversion import (
    to_array,
    to_message,
    to_rgb,
)
from anomaly_seg_ros.nodes.image_encodings import ENCODINGS

# Channel order of every encoding with whole pixels, R G B as 0 1 2.
CHANNELS = {
    'rgb8': (0, 1, 2), 'bgr8': (2, 1, 0), 'rgba8': (0, 1, 2), 'bgra8': (2, 1, 0),
    'mono8': (0, 0, 0), '8UC1': (0, 0, 0), '8UC3': (2, 1, 0), '8UC4': (2, 1, 0),
    'mono16': (0, 0, 0), '16UC1': (0, 0, 0), 'rgb16': (0, 1, 2), 'bgr16': (2, 1, 0),
    'rgba16': (0, 1, 2), 'bgra16': (2, 1, 0), '16UC3': (2, 1, 0), '16UC4': (2, 1, 0),
    '32FC1': (0, 0, 0),
}  # fmt: skip
YUV = ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21', 'nv24')
BAYER = tuple(name for name in ENCODINGS if name.startswith('bayer'))


def message(
    name: str, width: int, height: int, step: int, data: bytes, bigendian: bool = False
) -> SimpleNamespace:
    return SimpleNamespace(
        encoding=name, width=width, height=height, step=step, data=data,
        is_bigendian=int(bigendian),
    )  # fmt: skip


def element_format(name: str) -> str:
    return (name == '32FC1' and 'f') or ('H' if '16' in name else 'B')


def eight_bits(name: str, value: float) -> int:
    kind = element_format(name)
    if kind == 'B':
        return int(value)
    if kind == 'H':
        return round(value / 257)
    if not value > 0:  # not-a-number included
        return 0
    return 255 if value >= 1 else round(float(np.float32(value) * np.float32(255)))


def slow_rgb(image: SimpleNamespace, y: int, x: int) -> tuple[int, ...]:
    name, order = image.encoding, CHANNELS[image.encoding]
    channels = ENCODINGS[name].channels
    kind = element_format(name)
    size = struct.calcsize(kind)
    start = y * image.step + x * channels * size
    pixel = struct.unpack_from(
        ('>' if image.is_bigendian else '<') + channels * kind, image.data, start
    )
    return tuple(eight_bits(name, pixel[channel]) for channel in order)


def yuv_to_rgb(y: int, u: int, v: int) -> tuple[float, ...]:
    luma = 1.164 * (max(y, 16) - 16)
    rgb = (
        luma + 1.596 * (v - 128),
        luma - 0.813 * (v - 128) - 0.391 * (u - 128),
        luma + 2.018 * (u - 128),
    )
    return tuple(min(max(value, 0.0), 255.0) for value in rgb)


def slow_yuv(image: SimpleNamespace, y: int, x: int) -> tuple[float, ...]:
    name, step, data, height = image.encoding, image.step, image.data, image.height
    pair = y * step + (x // 2) * 4
    colour = height * step
    if name in ('yuv422', 'uyvy'):
        return yuv_to_rgb(data[y * step + 2 * x + 1], data[pair], data[pair + 2])
    if name in ('yuv422_yuy2', 'yuyv'):
        return yuv_to_rgb(data[y * step + 2 * x], data[pair + 1], data[pair + 3])
    if name == 'nv24':
        at = colour + y * 2 * step + 2 * x
        return yuv_to_rgb(data[y * step + x], data[at], data[at + 1])
    at = colour + (y // 2) * step + (x // 2) * 2
    first, second = data[at], data[at + 1]
    u, v = (first, second) if name == 'nv12' else (second, first)
    return yuv_to_rgb(data[y * step + x], u, v)


def bytes_per_row(name: str, width: int) -> int:
    return width * ENCODINGS[name].pixel_bytes


def random_message(
    name: str, width: int, height: int, padding: int, bigendian: bool, seed: int
) -> SimpleNamespace:
    random = np.random.default_rng(seed)
    entry = ENCODINGS[name]
    step = bytes_per_row(name, width) + padding
    rows = height * entry.rows[0] // entry.rows[1]
    data = random.integers(0, 256, rows * step, dtype=np.uint8)
    if name == '32FC1':
        values = random.uniform(-0.2, 1.2, (height, width)).astype('>f4' if bigendian else '<f4')
        values[random.random((height, width)) < 0.05] = np.nan
        for row in range(height):
            data[row * step : row * step + 4 * width] = values[row].view(np.uint8)
    return message(name, width, height, step, data.tobytes(), bigendian)


sizes = st.integers(1, 9)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(CHANNELS)), sizes, sizes, st.integers(0, 7), st.booleans(),
    st.integers(0, 2**32),
)  # fmt: skip
def test_whole_pixels_are_read_like_the_slow_reference(
    name: str, width: int, height: int, padding: int, bigendian: bool, seed: int
) -> None:
    image = random_message(name, width, height, padding, bigendian, seed)
    received = to_rgb(image)
    assert received.shape == (height, width, 3)
    assert received.dtype == np.uint8
    assert received.flags.c_contiguous
    expected = [[slow_rgb(image, y, x) for x in range(width)] for y in range(height)]
    np.testing.assert_array_equal(received, expected)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(YUV), st.integers(1, 5), st.integers(1, 5), st.integers(0, 7),
    st.integers(0, 2**32),
)  # fmt: skip
def test_yuv_is_read_like_the_slow_reference(
    name: str, half_width: int, half_height: int, padding: int, seed: int
) -> None:
    width, height = 2 * half_width, 2 * half_height
    image = random_message(name, width, height, padding, False, seed)
    received = to_rgb(image).astype(float)
    expected = [[slow_yuv(image, y, x) for x in range(width)] for y in range(height)]
    assert np.abs(received - np.array(expected)).max() <= 1.5


@pytest.mark.parametrize('name', BAYER)
@pytest.mark.parametrize('bigendian', [False, True])
def test_bayer_patterns_give_back_a_plain_colour(name: str, bigendian: bool) -> None:
    colour = {'r': 200, 'g': 90, 'b': 30}
    pattern = name[6:10]
    sixteen = name.endswith('16')
    kind = np.dtype(('>' if bigendian else '<') + 'u2') if sixteen else np.dtype(np.uint8)
    height, width, padding = 6, 8, 3
    mosaic = np.zeros((height, width), kind)
    for y in range(height):
        for x in range(width):
            mosaic[y, x] = colour[pattern[2 * (y % 2) + x % 2]] * (257 if sixteen else 1)
    step = width * kind.itemsize + padding
    data = b''.join(mosaic[y].tobytes() + bytes(padding) for y in range(height))
    received = to_rgb(message(name, width, height, step, data, bigendian))
    np.testing.assert_array_equal(received, np.full((height, width, 3), (200, 90, 30)))


@pytest.mark.parametrize('name', BAYER)
def test_bayer_inner_pixels_are_means_of_their_neighbours(name: str) -> None:
    random = np.random.default_rng(5)
    sixteen = name.endswith('16')
    mosaic = random.integers(0, 65536 if sixteen else 256, (9, 8)).astype(ENCODINGS[name].dtype)
    received = to_rgb(to_message(mosaic, name)).astype(float)
    pattern = name[6:10]
    scale = 257 if sixteen else 1
    for y in range(1, 8):
        for x in range(1, 7):
            for channel, colour in enumerate('rgb'):
                near = [
                    float(mosaic[j, i])
                    for j in (y - 1, y, y + 1)
                    for i in (x - 1, x, x + 1)
                    if pattern[2 * (j % 2) + i % 2] == colour
                ]
                own = pattern[2 * (y % 2) + x % 2] == colour
                expected = (float(mosaic[y, x]) if own else sum(near) / len(near)) / scale
                assert abs(received[y, x, channel] - expected) <= 1.0, (y, x, colour)


@pytest.mark.parametrize('name', BAYER)
@pytest.mark.parametrize('shape', [(1, 1), (1, 5), (4, 1), (2, 2), (2, 3), (3, 2)])
def test_tiny_bayer_images_are_not_black(name: str, shape: tuple[int, int]) -> None:
    entry = ENCODINGS[name]
    array = np.full(shape, 65535 if name.endswith('16') else 255, entry.dtype)
    np.testing.assert_array_equal(to_rgb(to_message(array, name)), np.full((*shape, 3), 255))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(ENCODINGS)), st.integers(1, 6), st.integers(1, 6), st.integers(0, 9),
    st.booleans(), st.integers(0, 2**32),
)  # fmt: skip
def test_padding_and_byte_order_change_nothing(
    name: str, half_width: int, half_height: int, padding: int, bigendian: bool, seed: int
) -> None:
    entry = ENCODINGS[name]
    width, height = 2 * half_width, 2 * half_height
    plain = random_message(name, width, height, 0, False, seed)
    rows = np.frombuffer(plain.data, np.uint8)
    # The colour plane of nv24 has rows of twice the bytes.
    row_bytes = [plain.step] * height
    if entry.planar:
        row_bytes += [2 * plain.step] * height if name == 'nv24' else [plain.step] * (height // 2)
    padded, start = b'', 0
    for length in row_bytes:
        row = rows[start : start + length]
        start += length
        swapped = row.view(entry.dtype).byteswap() if bigendian else row
        padded += swapped.tobytes() + bytes([170]) * (padding * length // plain.step)
    other = message(name, width, height, plain.step + padding, padded, bigendian)
    np.testing.assert_array_equal(to_rgb(other), to_rgb(plain))
    np.testing.assert_array_equal(to_array(other), to_array(plain))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(ENCODINGS)), st.integers(1, 6), st.integers(1, 6),
    st.integers(0, 2**32),
)  # fmt: skip
def test_written_messages_are_read_back(
    name: str, half_width: int, half_height: int, seed: int
) -> None:
    entry = ENCODINGS[name]
    random = np.random.default_rng(seed)
    rows = 2 * half_height * entry.rows[0] // entry.rows[1]
    shape = (rows, 2 * half_width) + ((entry.channels,) if entry.channels > 1 else ())
    array = random.integers(0, 256, shape).astype(entry.dtype)
    written = to_message(array, name, image_class=rosbags_image())
    assert (written.width, written.height) == (2 * half_width, 2 * half_height)
    np.testing.assert_array_equal(to_array(written), array)


def rosbags_image() -> Any:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_HUMBLE).types['sensor_msgs/msg/Image']


def test_semi_planar_images_with_the_mean_step_of_some_drivers_are_read() -> None:
    plain = random_message('nv12', 8, 4, 0, False, 3)
    mean = message('nv12', 8, 4, 12, plain.data)
    np.testing.assert_array_equal(to_rgb(mean), to_rgb(plain))


def test_rgb8_is_a_view_of_the_payload() -> None:
    data = bytearray(range(24))
    image = message('rgb8', 4, 2, 12, data)
    view = to_rgb(image)
    data[0] = 99
    assert view[0, 0, 0] == 99


def test_padded_images_are_views_too() -> None:
    data = bytearray(2 * 20)
    view = to_array(message('bgr8', 4, 2, 20, data))
    data[20] = 77
    assert view[1, 0, 0] == 77
    assert view.base is not None


@pytest.mark.ros
def test_rclpy_messages_carry_the_array_and_the_header() -> None:
    header_class = pytest.importorskip('std_msgs.msg').Header
    array = np.arange(2 * 3, dtype=np.float32).reshape(2, 3)
    header = header_class(frame_id='camera')
    header.stamp.sec = 7
    written = to_message(array, '32FC1', header)
    assert written.header == header
    assert (written.height, written.width, written.step, written.is_bigendian) == (2, 3, 12, 0)
    assert bytes(written.data) == array.tobytes()
    np.testing.assert_array_equal(to_array(written), array)


TIMING = """
import time
import numpy as np
import sensor_msgs.msg
from anomaly_seg_ros.nodes.image_conversion import to_message

array = np.zeros((1024, 2048, 3), np.uint8)

def seconds():
    begin = time.perf_counter()
    to_message(array, 'rgb8')
    return time.perf_counter() - begin

print(min(seconds() for _ in range(5)))
"""


@pytest.mark.ros
@pytest.mark.parametrize('checks', ['0', '1'])
def test_writing_a_payload_costs_milliseconds_where_fields_are_checked_too(
    checks: str, repository: Path
) -> None:
    done = subprocess.run(
        [sys.executable, '-c', TIMING],
        env={**os.environ, 'ROS_PYTHON_CHECK_FIELDS': checks},
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    # Plain assignment takes 200 to 600 ms for this size.
    assert float(done.stdout) < 0.05


def test_reading_images_needs_no_ros(repository: Path) -> None:
    code = 'import sys, anomaly_seg_ros.nodes.image_conversion as i; print("rclpy" in sys.modules)'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == 'False'


def test_every_value_of_16_bits_is_rounded_right() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    received = to_rgb(to_message(values, 'mono16', image_class=rosbags_image()))
    np.testing.assert_array_equal(received[..., 0].ravel(), [round(v / 257) for v in range(65536)])


@pytest.mark.parametrize('name', ['bgr8', 'rgba8', 'bgra8', 'mono8', 'bayer_rggb8', 'yuv422'])
def test_cv_bridge_reads_the_same(name: str) -> None:
    bridge = pytest.importorskip('cv_bridge').CvBridge()
    entry = ENCODINGS[name]
    random = np.random.default_rng(1)
    shape = (16, 24) + ((entry.channels,) if entry.channels > 1 else ())
    image = to_message(random.integers(0, 256, shape).astype(entry.dtype), name)
    np.testing.assert_array_equal(to_rgb(image), bridge.imgmsg_to_cv2(image, 'rgb8'))
