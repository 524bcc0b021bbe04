# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small publisher of ``/diagnostics``; diagnostic_updater is not there on every machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]

from anomaly_seg_ros.nodes.health import Status


class DiagnosticPublisher:
    """Publish the statuses of a node in regular steps of steady time.

    Steady time, because a paused simulation must not silence the one topic that tells about it.

    Args:
        node: The node whose statuses they are.
        collect: Returns the statuses; called once per period.
        period: Seconds between two messages.
    """

    def __init__(self, node: Any, collect: Callable[[], Sequence[Status]], period: float) -> None:
        self._node = node
        self._collect = collect
        self._period = period
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._timer = node.create_timer(period, self.publish, clock=self._clock)

    def set_period(self, period: float) -> None:
        """Publish every so many seconds from now on."""
        if period != self._period:
            self._period = period
            self._node.destroy_timer(self._timer)
            self._timer = self._node.create_timer(period, self.publish, clock=self._clock)

    def publish(self) -> None:
        """Publish one message now."""
        name = self._node.get_fully_qualified_name().lstrip('/')
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(
                name=f'{name}: {status.task}',
                hardware_id=name,
                level=bytes([status.level]),
                message=status.message,
                values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
            )
            for status in self._collect()
        ]
        self._publisher.publish(message)
