# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""This checkout as an installed ROS package, and a bag to replay."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

NODES = ('detector', 'evaluator', 'player')


@pytest.fixture(scope='session')
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables under which ROS finds the checkout as colcon would install it."""
    prefix = tmp_path_factory.mktemp('install')
    share = prefix / 'share/anomaly_seg_ros'
    index = prefix / 'share/ament_index/resource_index/packages'
    nodes = prefix / 'lib/anomaly_seg_ros'
    for folder in (share, index, nodes):
        folder.mkdir(parents=True)
    (index / 'anomaly_seg_ros').touch()
    for name in ('launch', 'config', 'package.xml'):
        (share / name).symlink_to(repository / name)
    for node in NODES:
        script = nodes / node
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m anomaly_seg_ros.nodes.{node} "$@"\n', 'utf-8'
        )
        script.chmod(0o755)
    paths = {'AMENT_PREFIX_PATH': prefix, 'PYTHONPATH': repository}
    return {
        name: os.pathsep.join(filter(None, [str(path), os.environ.get(name)]))
        for name, path in paths.items()
    }


@pytest.fixture(scope='session')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of six small synthetic frames with ground truth."""
    pytest.importorskip('rosbags')
    from anomaly_seg_ros.bags.recording import record
    from anomaly_seg_ros.size import Size
    from anomaly_seg_ros.sources import SourceOptions, open_source

    path = tmp_path_factory.mktemp('bags') / 'drive'
    record(open_source('synthetic', SourceOptions(frames=6, size=Size(128, 64))), path)
    return path


@pytest.fixture(scope='session')
def any_bundle(request: pytest.FixtureRequest) -> str:
    """The default bundle where there is one, since it needs no torch; else the tiny one."""
    from anomaly_seg_ros.bundle import default_bundle_path

    if (default_bundle_path() / 'card.json').is_file():
        return 'default'
    return str(request.getfixturevalue('tiny_bundle'))
