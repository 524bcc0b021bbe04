# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile fits the machine and the version."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from anomaly_seg_ros.pipeline.transport import (
    free_shared_memory,
    profile_text,
    segment_size,
    transport_variables,
)

MIB = 2**20


@pytest.mark.parametrize(
    ('free', 'expected'),
    [(24 * 2**30, 64 * MIB), (64 * MIB, 12 * MIB), (10 * MIB, 2 * MIB), (0, MIB)],
)
def test_segments_leave_room_for_all_processes(free: int, expected: int) -> None:
    assert segment_size(free) == expected
    assert segment_size(free, 1) >= segment_size(free, 12) >= MIB


@pytest.mark.parametrize(
    ('distribution', 'element'),
    [('', 'heartbeat_period'), ('kilted', 'heartbeat_period'), ('jazzy', 'heartbeatPeriod')],
)
def test_the_profile_is_well_formed_for_each_version(distribution: str, element: str) -> None:
    root = ET.fromstring(profile_text(64 * MIB, distribution))
    space = '{http://www.eprosima.com}'
    times = root.find(f'{space}data_writer/{space}times')
    assert times is not None
    assert [child.tag for child in times] == [f'{space}{element}']
    size = root.find(f'.//{space}segment_size')
    message = root.find(f'.//{space}maxMessageSize')
    assert size is not None
    assert message is not None
    assert int(size.text or 0) == 12 * MIB >= int(message.text or 0)


def test_a_profile_of_the_user_is_kept(tmp_path: Path) -> None:
    chosen = {'FASTDDS_DEFAULT_PROFILES_FILE': '/mine.xml'}
    assert transport_variables(chosen, tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
    found = transport_variables({'ROS_DISTRO': 'humble'}, tmp_path)
    assert found == {'FASTRTPS_DEFAULT_PROFILES_FILE': str(tmp_path / 'fastdds.xml')}
    assert 'heartbeatPeriod' in (tmp_path / 'fastdds.xml').read_text()
    assert free_shared_memory() > 0
