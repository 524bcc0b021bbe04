# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles of quality of service."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy')

from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSReliabilityPolicy

from anomaly_seg_ros.nodes.qos import QosError, image_qos, latched_qos


def test_images_are_reliable_and_the_newest_wins() -> None:
    profile = image_qos()
    assert (profile.history, profile.depth) == (QoSHistoryPolicy.KEEP_LAST, 1)
    assert profile.reliability == QoSReliabilityPolicy.RELIABLE
    assert profile.durability == QoSDurabilityPolicy.VOLATILE
    other = image_qos('best_effort', 7)
    assert (other.reliability, other.depth) == (QoSReliabilityPolicy.BEST_EFFORT, 7)


def test_latched_messages_reach_late_subscribers() -> None:
    profile = latched_qos()
    assert profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
    assert profile.reliability == QoSReliabilityPolicy.RELIABLE


def test_impossible_profiles_are_refused() -> None:
    with pytest.raises(QosError, match=r"'maybe', expected reliable or best_effort"):
        image_qos('maybe')
    with pytest.raises(QosError, match='at least 1'):
        image_qos(depth=0)
