# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which software made a result."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from anomaly_seg_ros import __version__

_DISTRIBUTIONS = {
    'numpy': ('numpy',),
    'opencv': ('opencv-python-headless', 'opencv-python', 'opencv-contrib-python'),
    'onnxruntime': ('onnxruntime', 'onnxruntime-gpu'),
    'rosbags': ('rosbags',),
    'rclpy': ('rclpy', 'ros-rclpy'),
    'torch': ('torch',),
}


def versions() -> dict[str, str | None]:
    """Return the versions of this package and of what it stands on; None where not installed."""
    found: dict[str, str | None] = {
        'anomaly_seg_ros': __version__,
        'python': platform.python_version(),
    }
    for name, candidates in _DISTRIBUTIONS.items():
        found[name] = next((v for c in candidates if (v := _version(c)) is not None), None)
    found['rmw'] = os.environ.get('RMW_IMPLEMENTATION') or None
    found['ros_distro'] = os.environ.get('ROS_DISTRO') or None
    return found


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
