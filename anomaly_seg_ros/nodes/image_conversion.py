# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back: the only place that reads or writes image payloads.

The reading functions touch only the attributes `height`, `width`, `encoding`, `is_bigendian`,
`step` and `data` (or `format` and `data`), so they take the messages of rclpy and of rosbags
alike, and importing this module needs no ROS.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.images import MAX_PIXELS, ImageError, decode_image
from anomaly_seg_ros.nodes.compressed_files import check_whole
from anomaly_seg_ros.nodes.image_encodings import ENCODINGS, Encoding

MAX_SIDE = 32767
"""OpenCV's functions take no longer side."""


class ImageConversionError(AnomalySegError):
    """An image message contradicts itself or cannot be read."""


def to_rgb(message: Any) -> NDArray[np.uint8]:
    """Convert an image message of any known encoding to RGB.

    Deeper values are mapped to 8 bits as `image_encodings` says. Encodings beyond the list are
    given to cv_bridge where it is installed.

    Args:
        message: A sensor_msgs/Image, of rclpy or of rosbags.

    Returns:
        (H, W, 3) uint8 RGB, contiguous. For unpadded ``rgb8`` it is a view of the message's
        payload: copy it before the message is changed.

    Raises:
        ImageConversionError: Size, step, data and encoding contradict each other or are not
            supported.
    """
    name = str(message.encoding)
    encoding = ENCODINGS.get(name)
    if encoding is None:
        return _through_cv_bridge(message)
    native = to_array(message)
    native = native.astype(native.dtype.newbyteorder('='), copy=False)
    if not native.flags.aligned:
        native = native.copy()
    return encoding.convert(native)


def to_array(message: Any) -> NDArray[Any]:
    """Return a message's pixels as they lie, without a copy.

    Args:
        message: A sensor_msgs/Image, of rclpy or of rosbags.

    Returns:
        A view of the payload in the encoding's own type and byte order: (H, W) for one channel
        and Bayer patterns, (H, W, C) otherwise, with C = 2 for packed YUV. Padding at the ends of
        rows is skipped by the strides. ``nv12`` and ``nv21`` give (3 H / 2, W), ``nv24`` gives
        (3 H, W): the brightness rows, then the colour rows (a copy when an nv24 is padded).

    Raises:
        ImageConversionError: Size, step, data and encoding contradict each other or are not
            supported.
    """
    name = str(message.encoding)
    encoding = ENCODINGS.get(name)
    if encoding is None:
        raise ImageConversionError(_unknown(name))
    width, height, step = int(message.width), int(message.height), int(message.step)
    data = np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
    _check_size(width, height, name, encoding)
    if encoding.planar:
        return _planes(data, width, height, step, name, encoding)
    row_bytes = width * encoding.pixel_bytes
    if step < row_bytes:
        msg = (
            f'received step {step} for a {width}x{height} {name} image, '
            f'expected at least {row_bytes} bytes per row'
        )
        raise ImageConversionError(msg)
    _check_length(data.size, step * height, f'{step} per row of a {width}x{height} {name} image')
    size = encoding.dtype.itemsize
    shape: tuple[int, ...] = (height, width)
    strides: tuple[int, ...] = (step, encoding.pixel_bytes)
    if encoding.channels > 1:
        shape, strides = (*shape, encoding.channels), (*strides, size)
    dtype = encoding.dtype.newbyteorder('>' if message.is_bigendian else '<')
    return np.ndarray(shape, dtype, data, 0, strides)


def to_message(
    array: NDArray[Any], encoding: str, header: Any = None, image_class: Any = None
) -> Any:
    """Make an image message.

    The payload is written with ``frombytes`` into the message's own array, which costs 0.1 ms for
    6 MB on every distribution; plain assignment takes up to 400 ms where fields are checked.

    Args:
        array: Pixels of the encoding's type, shaped as `to_array` returns them.
        encoding: One of `ENCODINGS`.
        header: The header to carry; for results that of the input image.
        image_class: The class to make, sensor_msgs.msg.Image by default. A class of rosbags, which
            takes all fields at once and NumPy data, needs a header.

    Raises:
        ImageConversionError: The array does not fit the encoding.
    """
    entry = ENCODINGS.get(encoding)
    if entry is None:
        raise ImageConversionError(_unknown(encoding))
    dimensions = 2 if entry.channels == 1 else 3
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != entry.dtype or array.ndim != dimensions or channels != entry.channels:
        msg = (
            f'received an array of shape {array.shape} and type {array.dtype}, expected '
            f'{dimensions} dimensions, {entry.channels} channels and {entry.dtype} for {encoding}'
        )
        raise ImageConversionError(msg)
    rows, width = array.shape[:2]
    height = rows * entry.rows[1] // entry.rows[0]
    if height * entry.rows[0] != rows * entry.rows[1]:
        msg = f'received {rows} rows for {encoding}, expected brightness and colour rows'
        raise ImageConversionError(msg)
    _check_size(width, height, encoding, entry)
    native = np.ascontiguousarray(array, entry.dtype)
    fields = {
        'height': height,
        'width': width,
        'encoding': encoding,
        'is_bigendian': int(sys.byteorder == 'big'),
        'step': width * entry.pixel_bytes,
    }
    if image_class is not None and hasattr(image_class, '__dataclass_fields__'):
        return image_class(header=header, data=native.reshape(-1).view(np.uint8), **fields)
    if image_class is None:
        from sensor_msgs.msg import Image

        image_class = Image
    message = image_class(**fields)
    if header is not None:
        message.header = header
    message.data.frombytes(native.data.cast('B'))
    return message


def compressed_to_rgb(message: Any) -> NDArray[np.uint8]:
    """Decode a compressed image message.

    A file that is cut short is refused, although many versions of OpenCV decode its beginning and
    paint the rest grey; so is a PNG whose checksums do not match.

    Args:
        message: A sensor_msgs/CompressedImage, of rclpy or of rosbags, holding JPEG or PNG (or
            another format that OpenCV reads).

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageConversionError: The data is corrupt, cut short, too large or in a format that holds
            no colour image.
    """
    form = str(message.format)
    if 'compressedDepth' in form:
        msg = f'received the format {form[:60]!r}, a depth image: expected jpeg or png'
        raise ImageConversionError(msg)
    if (
        form.startswith('bayer')
        and 'compressed bgr8' not in form
        and 'compressed rgb8' not in form
    ):
        msg = (
            f'received the format {form[:60]!r}, a compressed Bayer pattern: '
            'expected a colour image, so set the camera to publish one'
        )
        raise ImageConversionError(msg)
    data = np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
    what = f'the compressed image (format {form[:60]!r})'
    try:
        check_whole(data, what)
        return decode_image(data, what)
    except ImageError as error:
        raise ImageConversionError(str(error)) from error


def _check_size(width: int, height: int, name: str, encoding: Encoding) -> None:
    if width <= 0 or height <= 0:
        msg = f'received an image of {width}x{height} pixels, expected at least 1x1'
        raise ImageConversionError(msg)
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        msg = (
            f'received an image of {width}x{height} pixels, expected sides of at most {MAX_SIDE} '
            f'and at most {MAX_PIXELS} pixels'
        )
        raise ImageConversionError(msg)
    if ('w' in encoding.even and width % 2) or ('h' in encoding.even and height % 2):
        sides = 'width and height' if 'h' in encoding.even else 'width'
        msg = f'received a {width}x{height} {name} image, expected an even {sides}'
        raise ImageConversionError(msg)


def _check_length(received: int, expected: int, why: str) -> None:
    if received != expected:
        problem = 'short' if received < expected else 'long'
        msg = (
            f'received {received} bytes of data, expected {expected} ({why}): the data is too '
            f'{problem}'
        )
        raise ImageConversionError(msg)


def _planes(
    data: NDArray[np.uint8], width: int, height: int, step: int, name: str, encoding: Encoding
) -> NDArray[np.uint8]:
    """Return the rows of a semi-planar image without padding, as (rows, width)."""
    up, down = encoding.rows
    if step * down == width * up and data.size == step * height:
        step = width  # Some drivers give the mean bytes per pixel row, colours included.
    if step < width:
        msg = (
            f'received step {step} for a {width}x{height} {name} image, '
            f'expected at least {width} bytes per row of brightness'
        )
        raise ImageConversionError(msg)
    rows = height * up // down
    _check_length(data.size, step * rows, f'{rows} rows of {step} for {width}x{height} {name}')
    if step == width or (up == 3 and down == 2):
        return data.reshape(rows, step)[:, :width]
    colours = data[height * step :].reshape(height, 2 * step)[:, : 2 * width]
    return np.concatenate(
        [data[: height * step].reshape(height, step)[:, :width], colours.reshape(-1, width)]
    )


def _unknown(name: str) -> str:
    return f'received the encoding {name[:40]!r}, expected one of: {", ".join(ENCODINGS)}'


def _through_cv_bridge(message: Any) -> NDArray[np.uint8]:
    """Convert an encoding beyond the list where a ROS distribution's cv_bridge can."""
    name = str(message.encoding)
    width, height = int(message.width), int(message.height)
    if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE or width * height > MAX_PIXELS:
        msg = f'received an image of {width}x{height} pixels and the encoding {name[:40]!r}'
        raise ImageConversionError(msg)
    try:
        from cv_bridge import CvBridge
    except Exception:  # noqa: BLE001 - a cv_bridge built for another NumPy fails in many ways.
        raise ImageConversionError(_unknown(name)) from None
    try:
        return np.ascontiguousarray(CvBridge().imgmsg_to_cv2(message, 'rgb8'), np.uint8)
    except Exception as error:
        msg = f'{_unknown(name)}; cv_bridge cannot convert it either: {str(error)[:200]}'
        raise ImageConversionError(msg) from error
