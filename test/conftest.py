# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests share: an isolated ROS graph, the project data, a tiny bundle."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / 'shared' / 'data'


def _isolate_ros() -> None:
    """Keep this process and its children out of every other ROS graph; before rclpy loads."""
    # One of 81 to 100, which replays never choose, and another for each worker of pytest-xdist;
    # workers have one parent.
    worker = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
    os.environ['ROS_DOMAIN_ID'] = str(81 + (4 * os.getppid() + worker) % 20)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'
    # Fast DDS's shared memory does not always survive processes that are killed, as tests kill
    # theirs: what is sent to this process, which outlives them all, could be lost from then on.
    # Processes that replay choose their transports by a profile and are tested with them.
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
    logs = tempfile.mkdtemp(prefix='ros-log-')
    atexit.register(shutil.rmtree, logs, ignore_errors=True)
    os.environ['ROS_LOG_DIR'] = logs


def _share_cores() -> None:
    """Leave processes that test beside this one their cores; before torch loads.

    OpenMP's threads spin while they wait: where they are more than cores, one that computes waits
    for one that spins.
    """
    processes = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1'))
    threads = max((os.cpu_count() or 1) // processes, 1)
    if processes > 1:
        os.environ.setdefault('OMP_NUM_THREADS', str(threads))


_isolate_ros()
_share_cores()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run."""
    if item.get_closest_marker('shared_data') and not SHARED_DATA.is_dir():
        pytest.skip('the project data is not beside the checkout')
    if item.get_closest_marker('ros') and find_spec('rclpy') is None:
        pytest.skip('rclpy is not installed')
    if item.get_closest_marker('gpu'):
        torch = pytest.importorskip('torch')
        if not torch.cuda.is_available():
            pytest.skip('this machine has no NVIDIA GPU')


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The folder of the project data; tests that use it carry the marker of the same name."""
    if not SHARED_DATA.is_dir():
        pytest.skip('the project data is not beside the checkout')
    return SHARED_DATA


@pytest.fixture(scope='session')
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope='session')
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small, quick, deterministic bundle; see `support.tiny_bundle`."""
    pytest.importorskip('torch')
    from support.tiny_bundle import build_tiny_bundle

    mine = tmp_path_factory.mktemp('bundles') / 'tiny'
    if 'PYTEST_XDIST_WORKER' not in os.environ:
        return build_tiny_bundle(mine)
    # Exporting takes seconds: of the processes that test together one does it, and all copy, since
    # tests look for processes by the bundle that they run.
    folder = tmp_path_factory.getbasetemp().parent
    bundle = folder / 'tiny_bundle'
    with (folder / 'tiny_bundle.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not bundle.is_dir():
            build_tiny_bundle(bundle)
        return shutil.copytree(bundle, mine)
