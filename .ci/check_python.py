# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say in one sentence why an environment cannot be made with this Python, or nothing."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys


def complaint(route: str) -> str | None:
    """Return what is wrong and what to do, None when all is well.

    Args:
        route: ``wheels`` (ROS from wheels) or ``distribution`` (a sourced ROS distribution).
    """
    version = '.'.join(map(str, sys.version_info[:2]))
    if sys.version_info < (3, 10):  # noqa: UP036
        return f'this is Python {version}, expected 3.10 or newer: name one with PYTHON=python3.12'
    if not all(importlib.util.find_spec(name) for name in ('venv', 'ensurepip')):
        return (
            f'Python {version} has no venv module: install it with '
            f'`sudo apt-get install python{version}-venv`'
        )
    if route == 'distribution':
        try:
            import rclpy  # noqa: F401
        except ImportError as error:
            return (
                f'ROS {os.environ.get("ROS_DISTRO")} is sourced, but Python {version} cannot use '
                f'its rclpy ({error}): name its Python with PYTHON=/usr/bin/python3, or use a '
                'shell in which no ROS is sourced'
            )
        return None
    if sys.version_info >= (3, 14) or platform.machine() != 'x86_64' or sys.platform != 'linux':
        return (
            'ROS wheels exist for Python 3.10 to 3.13 on x86-64 Linux, this is Python '
            f'{version} on {platform.machine()} {sys.platform}: source a ROS distribution, or '
            'name another Python with PYTHON=python3.12'
        )
    return None


if __name__ == '__main__':
    problem = complaint(sys.argv[1])
    if problem:
        sys.exit(f'error: {problem}')
