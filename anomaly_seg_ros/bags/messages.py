# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of recorded bags, made and read with the rosbags library: no ROS needed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from anomaly_seg_ros.bags.cdr import NANOSECONDS
from anomaly_seg_ros.bags.errors import BagError
from anomaly_seg_ros.bags.topics import (
    CAMERA_FRAME,
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    full_type,
)
from anomaly_seg_ros.nodes.image_conversion import compressed_to_rgb, to_array, to_message, to_rgb
from anomaly_seg_ros.size import Size

JPEG_QUALITY = 95


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return ROS 2's message definitions; those used here are equal from Humble on."""
    return get_typestore(Stores.ROS2_JAZZY)


def image_message(
    array: NDArray[Any], encoding: str, stamp: int, frame_id: str = CAMERA_FRAME
) -> bytes:
    """Return a serialised sensor_msgs/Image.

    Args:
        array: Pixels that fit the encoding, (H, W, 3) uint8 for ``rgb8``, (H, W) for ``mono8``.
        encoding: One of sensor_msgs' encodings.
        stamp: Header stamp in nanoseconds.
        frame_id: Header frame.
    """
    image_class = typestore().types[IMAGE]
    message = to_message(array, encoding, _header(stamp, frame_id), image_class)
    return _serialize(message, IMAGE)


def compressed_message(
    image: NDArray[np.uint8], form: str, stamp: int, frame_id: str = CAMERA_FRAME
) -> bytes:
    """Return a serialised sensor_msgs/CompressedImage.

    Args:
        image: (H, W, 3) uint8 RGB.
        form: ``'jpeg'`` (quality 95) or ``'png'``.
        stamp: Header stamp in nanoseconds.
        frame_id: Header frame.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if form == 'jpeg' else []
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    written, data = cv2.imencode('.jpg' if form == 'jpeg' else '.png', bgr, options)
    if not written:
        msg = f'OpenCV cannot encode an image of {image.shape[1]}x{image.shape[0]} as {form}'
        raise BagError(msg)
    message = typestore().types[COMPRESSED_IMAGE](
        header=_header(stamp, frame_id),
        format=f'rgb8; {form} compressed bgr8',
        data=np.asarray(data, np.uint8).ravel(),
    )
    return _serialize(message, COMPRESSED_IMAGE)


def camera_info_message(size: Size, stamp: int, frame_id: str = CAMERA_FRAME) -> bytes:
    """Return a serialised sensor_msgs/CameraInfo of an uncalibrated camera (all of K is zero).

    Args:
        size: The images' size.
        stamp: Header stamp in nanoseconds.
        frame_id: Header frame.
    """
    types = typestore().types
    region = types['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    message = types[CAMERA_INFO](
        header=_header(stamp, frame_id),
        height=size.height,
        width=size.width,
        distortion_model='',
        d=np.zeros(0),
        k=np.zeros(9),
        r=np.zeros(9),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=region,
    )
    return _serialize(message, CAMERA_INFO)


def read_rgb(data: bytes, type_name: str) -> NDArray[np.uint8]:
    """Decode a serialised Image or CompressedImage.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        BagError: The message cannot be deserialised or is of another type.
        ImageConversionError: The image contradicts itself.
    """
    type_name = full_type(type_name)
    if type_name not in (IMAGE, COMPRESSED_IMAGE):
        msg = f'received a {type_name}, expected a {IMAGE} or a {COMPRESSED_IMAGE}'
        raise BagError(msg)
    message = deserialize(data, type_name)
    return to_rgb(message) if type_name == IMAGE else compressed_to_rgb(message)


def read_map(data: bytes) -> NDArray[Any]:
    """Decode a serialised single-channel Image: labels, a score or a mask.

    Returns:
        (H, W) in the machine's byte order, a view of the data where that is its own.

    Raises:
        BagError: The message cannot be deserialised or has several channels.
        ImageConversionError: The image contradicts itself.
    """
    message = deserialize(data, IMAGE)
    array = to_array(message)
    if array.ndim != 2:
        msg = f'received an image of encoding {message.encoding}, expected one channel'
        raise BagError(msg)
    return array.astype(array.dtype.newbyteorder('='), copy=False)


def deserialize(data: bytes, type_name: str) -> Any:
    """Deserialise one message.

    Raises:
        BagError: The type is unknown or the data damaged.
    """
    type_name = full_type(type_name)
    if type_name not in typestore().types:
        msg = f'the message type {type_name} is not one of ROS 2'
        raise BagError(msg)
    try:
        return typestore().deserialize_cdr(data, type_name)
    except Exception as error:
        # Damaged data surfaces as errors of struct, NumPy, Unicode or rosbags.
        msg = f'a {type_name} of {len(data)} bytes is damaged: {error}'
        raise BagError(msg) from error


def _header(stamp: int, frame_id: str) -> Any:
    types = typestore().types
    seconds, nanoseconds = divmod(stamp, NANOSECONDS)
    time = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
    return types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id)


def _serialize(message: Any, type_name: str) -> bytes:
    return bytes(typestore().serialize_cdr(message, type_name))


def has_header(type_name: str) -> bool:
    """Tell whether a message type begins with a std_msgs/Header, whose stamp `cdr` reads."""
    definition = typestore().fielddefs.get(full_type(type_name))
    if definition is None or not definition[1]:
        return False
    name, (_, kind) = definition[1][0]
    return name == 'header' and kind == 'std_msgs/msg/Header'
