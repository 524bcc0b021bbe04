# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the encodings of sensor_msgs/Image mean, and how each becomes RGB with 8 bits.

One rule maps every deeper value to 8 bits: the whole range of the type becomes the whole range of
a byte, as cv_bridge does it. 16-bit values v become round(v / 257), so 65535 is white; a camera
that fills only 10 or 12 of the 16 bits gives a dark picture and should shift its values up. Floats
are brightness from 0 to 1: clipped, multiplied with 255, rounded; not-a-number is black.

``8UC3``, ``8UC4``, ``16UC3`` and ``16UC4`` name no channel order; they are read as BGR(A), which
is OpenCV's and rviz's reading. YUV is ITU-R BT.601 with limited range (16 to 235), as cameras send
it. Bayer names tell the colours of the top left 2 x 2 pixels row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Convert = Callable[[NDArray[Any]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Encoding:
    """How one encoding lies in memory and how it becomes RGB.

    Args:
        dtype: Type of one element in the machine's byte order.
        channels: Elements per pixel; 2 for packed YUV, whose pairs of pixels share colours.
        convert: From the native array, in the machine's byte order and aligned, to
            (H, W, 3) uint8 RGB.
        even: The sides that must be even: ``''``, ``'w'`` or ``'wh'``.
        rows: Rows of bytes per pixel row as a fraction: (1, 1), or (3, 2) and (3, 1) for the
            semi-planar encodings, whose colour plane follows the brightness plane.
    """

    dtype: np.dtype[Any]
    channels: int
    convert: Convert
    even: str = ''
    rows: tuple[int, int] = (1, 1)

    @property
    def planar(self) -> bool:
        """Tell whether a colour plane follows the brightness plane."""
        return self.rows != (1, 1)

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel within its row."""
        return self.dtype.itemsize * self.channels


def to_8_bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Map the whole range of 16-bit integers, or floats from 0 to 1, to 0..255, rounded.

    Args:
        array: (H, W) or (H, W, C), uint16 or float.
    """
    if array.dtype.kind == 'f':
        finite = np.nan_to_num(array, nan=0.0, posinf=1.0, neginf=0.0)
        return np.rint(np.clip(finite, 0.0, 1.0) * 255.0).astype(np.uint8)
    if array.dtype == np.uint8:
        return array
    return np.asarray(cv2.convertScaleAbs(array, alpha=1 / 257), np.uint8).reshape(array.shape)


def _color(code: int) -> Convert:
    def convert(array: NDArray[Any]) -> NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(to_8_bits(array), code), np.uint8)

    return convert


def _keep(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(to_8_bits(array))


def _bayer(code: int) -> Convert:
    def convert(array: NDArray[Any]) -> NDArray[np.uint8]:
        height, width = array.shape
        # OpenCV leaves pictures of fewer than three rows or columns black. A reflected border
        # keeps the colour pattern, since its period is two.
        border = 2 if min(height, width) < 3 else 0
        if border:
            array = np.pad(array, border, mode='reflect')
        rgb = to_8_bits(np.asarray(cv2.cvtColor(array, code)))
        return np.ascontiguousarray(rgb[border : border + height, border : border + width])

    return convert


# Rows give R, G, B from Y, U, V and 1: BT.601, limited range.
_YUV_TO_RGB = np.array(
    [[1.164, 0.0, 1.596], [1.164, -0.391, -0.813], [1.164, 2.018, 0.0]], np.float32
)
_YUV_TO_RGB = np.hstack([_YUV_TO_RGB, _YUV_TO_RGB @ [[-16.0], [-128.0], [-128.0]]]).astype(
    np.float32
)


def _semi_planar_444(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert NV24: (3 H, W) uint8, brightness rows, then rows of U and V alternating."""
    height, width = array.shape[0] // 3, array.shape[1]
    colours = np.ascontiguousarray(array[height:]).reshape(height, width, 2)
    # Like OpenCV's other YUV conversions, below black is black whatever the colour.
    yuv = np.dstack([np.maximum(array[:height], 16), colours])
    return np.asarray(cv2.transform(yuv, _YUV_TO_RGB), np.uint8)


_U8, _U16, _F32 = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)
_GRAY, _UYVY, _YUYV = cv2.COLOR_GRAY2RGB, cv2.COLOR_YUV2RGB_UYVY, cv2.COLOR_YUV2RGB_YUY2
# OpenCV names Bayer patterns by the second row and column, ROS by the first.
_BAYER_CODES = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}

ENCODINGS: dict[str, Encoding] = {
    'rgb8': Encoding(_U8, 3, _keep),
    'bgr8': Encoding(_U8, 3, _color(cv2.COLOR_BGR2RGB)),
    'rgba8': Encoding(_U8, 4, _color(cv2.COLOR_RGBA2RGB)),
    'bgra8': Encoding(_U8, 4, _color(cv2.COLOR_BGRA2RGB)),
    'mono8': Encoding(_U8, 1, _color(_GRAY)),
    '8UC1': Encoding(_U8, 1, _color(_GRAY)),
    '8UC3': Encoding(_U8, 3, _color(cv2.COLOR_BGR2RGB)),
    '8UC4': Encoding(_U8, 4, _color(cv2.COLOR_BGRA2RGB)),
    'mono16': Encoding(_U16, 1, _color(_GRAY)),
    '16UC1': Encoding(_U16, 1, _color(_GRAY)),
    'rgb16': Encoding(_U16, 3, _keep),
    'bgr16': Encoding(_U16, 3, _color(cv2.COLOR_BGR2RGB)),
    'rgba16': Encoding(_U16, 4, _color(cv2.COLOR_RGBA2RGB)),
    'bgra16': Encoding(_U16, 4, _color(cv2.COLOR_BGRA2RGB)),
    '16UC3': Encoding(_U16, 3, _color(cv2.COLOR_BGR2RGB)),
    '16UC4': Encoding(_U16, 4, _color(cv2.COLOR_BGRA2RGB)),
    '32FC1': Encoding(_F32, 1, _color(_GRAY)),
    'yuv422': Encoding(_U8, 2, _color(_UYVY), even='w'),
    'uyvy': Encoding(_U8, 2, _color(_UYVY), even='w'),
    'yuv422_yuy2': Encoding(_U8, 2, _color(_YUYV), even='w'),
    'yuyv': Encoding(_U8, 2, _color(_YUYV), even='w'),
    'nv12': Encoding(_U8, 1, _color(cv2.COLOR_YUV2RGB_NV12), 'wh', (3, 2)),
    'nv21': Encoding(_U8, 1, _color(cv2.COLOR_YUV2RGB_NV21), 'wh', (3, 2)),
    'nv24': Encoding(_U8, 1, _semi_planar_444, rows=(3, 1)),
    **{f'bayer_{n}8': Encoding(_U8, 1, _bayer(code)) for n, code in _BAYER_CODES.items()},
    **{f'bayer_{n}16': Encoding(_U16, 1, _bayer(code)) for n, code in _BAYER_CODES.items()},
}
"""Every encoding read without cv_bridge."""
