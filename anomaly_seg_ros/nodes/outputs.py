# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector's publishers: who listens, and the results as messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image

from anomaly_seg_ros.nodes.image_conversion import to_message
from anomaly_seg_ros.nodes.label_info import LabelTable, label_info_class, label_info_message
from anomaly_seg_ros.nodes.pipeline import RESULT_ENCODINGS
from anomaly_seg_ros.nodes.qos import image_qos, latched_qos


class Outputs:
    """Everything that a configured detector publishes about images.

    Args:
        node: The life cycle node; its transitions switch the publishers on and off.
        reliability: Of the images and the camera info.
    """

    def __init__(self, node: Any, reliability: str) -> None:
        self._node = node
        qos = image_qos(reliability)
        self._images = {
            name: node.create_lifecycle_publisher(Image, f'~/{name}', qos)
            for name in RESULT_ENCODINGS
        }
        self._camera_info = node.create_lifecycle_publisher(
            CameraInfo, '~/camera_info', image_qos(reliability, depth=10)
        )
        self._label_info_class = label_info_class()
        self._label_info = node.create_lifecycle_publisher(
            self._label_info_class, '~/label_info', latched_qos()
        )

    def wanted(self) -> frozenset[str]:
        """Return the results that somebody subscribes to."""
        return frozenset(
            name for name, publisher in self._images.items() if publisher.get_subscription_count()
        )

    def publish(self, arrays: Mapping[str, NDArray[Any]], header: Any) -> None:
        """Publish results, by name, with the header of their image."""
        for name, array in arrays.items():
            self._images[name].publish(to_message(array, RESULT_ENCODINGS[name], header))

    def publish_camera_info(self, info: Any) -> None:
        """Publish a camera info where somebody subscribes to it."""
        if self._camera_info.get_subscription_count():
            self._camera_info.publish(info)

    def publish_label_info(self, table: LabelTable) -> None:
        """Publish the meaning of labels, for present and later subscribers."""
        stamp = self._node.get_clock().now().to_msg()
        self._label_info.publish(label_info_message(table, stamp, self._label_info_class))

    def destroy(self) -> None:
        """Remove all publishers."""
        for publisher in (*self._images.values(), self._camera_info, self._label_info):
            self._node.destroy_lifecycle_publisher(publisher)
