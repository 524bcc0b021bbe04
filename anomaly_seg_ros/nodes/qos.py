# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic of the package, in one place.

Large images sent best effort are lost silently by Fast DDS with its default shared memory, so
images are reliable unless the user says otherwise. Depth 1 makes the newest frame win: a deeper
queue adds latency and no throughput.
"""

from __future__ import annotations

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)

from anomaly_seg_ros.errors import AnomalySegError

RELIABILITIES = {
    'reliable': QoSReliabilityPolicy.RELIABLE,
    'best_effort': QoSReliabilityPolicy.BEST_EFFORT,
}


class QosError(AnomalySegError):
    """A quality of service cannot be made from the given words."""


def image_qos(reliability: str = 'reliable', depth: int = 1) -> QoSProfile:
    """Return the profile for image and camera info topics.

    Args:
        reliability: ``'reliable'`` or ``'best_effort'``. A best-effort publisher never reaches a
            reliable subscription; the other three combinations match.
        depth: Messages kept by the middleware, at least 1.

    Raises:
        QosError: The reliability is unknown or the depth is below 1.
    """
    if reliability not in RELIABILITIES:
        msg = f'received the reliability {reliability!r}, expected {" or ".join(RELIABILITIES)}'
        raise QosError(msg)
    if depth < 1:
        msg = f'received the queue depth {depth}, expected at least 1'
        raise QosError(msg)
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=RELIABILITIES[reliability],
        durability=QoSDurabilityPolicy.VOLATILE,
    )


def latched_qos(depth: int = 1) -> QoSProfile:
    """Return the profile for messages that late subscribers still receive."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
    )
