# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of recorded bags and the message types that this package reads."""

from __future__ import annotations

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'

CAMERA_TOPIC = '/camera/image'
CAMERA_INFO_TOPIC = '/camera/camera_info'
LABELS_TOPIC = '/ground_truth/labels'
"""mono8 train ids, 255 ignored."""
ANOMALY_TOPIC = '/ground_truth/anomaly'
"""mono8, 0 normal, 1 anomaly, 255 ignored."""

CAMERA_FRAME = 'camera_optical_frame'
"""Frame id of recorded cameras: REP 103's suffix for z forward, x right, y down."""


def compressed(topic: str) -> str:
    """Return the compressed sibling of an image topic, as image_transport names it."""
    return f'{topic}/compressed'


def full_type(name: str) -> str:
    """Return ``package/msg/Name`` for the ``package/Name`` of the first ROS 2 bags too.

    >>> full_type('sensor_msgs/Image')
    'sensor_msgs/msg/Image'
    """
    parts = name.split('/')
    return f'{parts[0]}/msg/{parts[1]}' if len(parts) == 2 else name
