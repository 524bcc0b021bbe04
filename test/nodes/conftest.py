# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of nodes share: a live detector on the tiny bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope='session')
def ros() -> Iterator[None]:
    """Give an initialised rclpy."""
    rclpy = pytest.importorskip('rclpy')
    if not rclpy.ok():
        rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def bench(ros: None, tiny_bundle: Path) -> Iterator[Callable[..., Any]]:
    """Give a function that starts a live detector; all are ended after the test."""
    from support.detector_bench import DetectorBench

    benches: list[DetectorBench] = []

    def start(bundle: Path = tiny_bundle, **options: Any) -> DetectorBench:
        benches.append(DetectorBench(bundle, **options))
        return benches[-1]

    yield start
    for made in benches:
        made.close()
