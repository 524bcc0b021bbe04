# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera infos find their images, whichever comes first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from anomaly_seg_ros.nodes.camera_info import CameraInfoRelay


def info(seconds: int, nanoseconds: int = 0) -> SimpleNamespace:
    stamp = SimpleNamespace(sec=seconds, nanosec=nanoseconds)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp))


def test_each_info_is_passed_on_once_with_the_image_of_its_stamp() -> None:
    passed: list[Any] = []
    relay = CameraInfoRelay(passed.append)
    infos = [info(number, 5) for number in range(4)]
    relay.add_info(infos[0])
    relay.image_processed((0, 5))
    relay.image_processed((1, 5))
    relay.add_info(infos[1])
    relay.image_processed((2, 6))
    relay.add_info(infos[2])
    relay.image_processed((0, 5))
    assert passed == infos[:2]


def test_only_the_latest_are_remembered() -> None:
    passed: list[Any] = []
    relay = CameraInfoRelay(passed.append)
    for number in range(1000):
        relay.add_info(info(number))
        relay.image_processed((number, 1))
    assert len(relay._infos) == len(relay._processed) == 64
    relay.image_processed((5, 0))
    assert passed == []
    relay.image_processed((999, 0))
    assert len(passed) == 1


def test_nothing_is_remembered_after_clearing() -> None:
    passed: list[Any] = []
    relay = CameraInfoRelay(passed.append)
    relay.add_info(info(1))
    relay.image_processed((2, 0))
    relay.clear()
    relay.image_processed((1, 0))
    relay.add_info(info(2))
    assert passed == []
