# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector's subscriptions, and what the middleware tells about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters
from anomaly_seg_ros.nodes.qos import image_qos

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import (  # type: ignore[import-not-found,no-redef]
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )

_CAMERA_INFO_DEPTH = 10


class Inputs:
    """The subscriptions of an active detector.

    Args:
        node: The node.
        parameters: Transport and quality of service.
        on_image: Called with each image or compressed image.
        on_info: Called with each camera info.
        on_lost: Called with the number of images that the transport has just lost.
        on_incompatible: Called with a sentence when a publisher cannot be heard.
    """

    def __init__(
        self,
        node: Any,
        parameters: DetectorParameters,
        *,
        on_image: Callable[[Any], None],
        on_info: Callable[[Any], None],
        on_lost: Callable[[int], None],
        on_incompatible: Callable[[str], None],
    ) -> None:
        self._node = node
        # The base name is resolved first, so that remapping "image" also moves
        # "image/compressed", as image_transport does it.
        topic = node.resolve_topic_name('image')
        message_class: Any = Image
        if parameters.image_transport == 'compressed':
            topic, message_class = f'{topic}/compressed', CompressedImage
        reliability = parameters.image_reliability

        def lost(event: Any) -> None:
            on_lost(int(event.total_count_change))

        def incompatible(_: Any) -> None:
            on_incompatible(
                f'a publisher of {topic} offers less than the {reliability} transport that is '
                'asked for, so its images do not arrive: set image_reliability to best_effort, '
                'or let it publish reliably'
            )

        qos = image_qos(reliability, parameters.image_depth)
        callbacks = SubscriptionEventCallbacks(message_lost=lost, incompatible_qos=incompatible)
        try:
            image = node.create_subscription(
                message_class, topic, on_image, qos, event_callbacks=callbacks
            )
        except UnsupportedEventTypeError:
            # Not every middleware tells about lost messages.
            image = node.create_subscription(message_class, topic, on_image, qos)
        info = node.create_subscription(
            CameraInfo, 'camera_info', on_info, image_qos(reliability, _CAMERA_INFO_DEPTH)
        )
        self.topic = str(image.topic_name)
        self._subscriptions = (image, info)

    def destroy(self) -> None:
        """Remove the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
