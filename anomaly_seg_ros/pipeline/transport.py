# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A Fast DDS profile for large images that fits the machine.

With Fast DDS's own 512 KiB of shared memory, parts of large images are lost, and a reliable
writer asks for what is missing only every 3 seconds. The profile gives each process a larger
segment, no larger than the machine can bear (a container often has 64 MiB in all), and asks every
20 ms.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from anomaly_seg_ros.files import atomic_path

SHARED_MEMORY = Path('/dev/shm')  # noqa: S108 - the place is Fast DDS's choice
LARGEST_SEGMENT = 64 * 2**20
"""20 images of 1024x1024, 10 of 1920x1080."""
SMALLEST_SEGMENT = 2**20
PROCESSES = 5
"""Player, detector, evaluator, and room for two more, such as rviz2."""
_MESSAGE = 16 * 2**20
_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
_HUMBLE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
_FAST_DDS_2 = ('humble', 'iron', 'jazzy')

_PROFILE = """\
<?xml version="1.0" encoding="UTF-8"?>
<profiles xmlns="http://www.eprosima.com">
  <transport_descriptors>
    <transport_descriptor>
      <transport_id>large_image_shm</transport_id>
      <type>SHM</type>
      <segment_size>{segment}</segment_size>
      <maxMessageSize>{message}</maxMessageSize>
    </transport_descriptor>
    <transport_descriptor>
      <transport_id>large_image_udp</transport_id>
      <type>UDPv4</type>
    </transport_descriptor>
  </transport_descriptors>
  <participant profile_name="large_images" is_default_profile="true">
    <rtps>
      <userTransports>
        <transport_id>large_image_shm</transport_id>
        <transport_id>large_image_udp</transport_id>
      </userTransports>
      <useBuiltinTransports>false</useBuiltinTransports>
    </rtps>
  </participant>
  <data_writer profile_name="large_image_writer" is_default_profile="true">
    <times>
      <{heartbeat}><sec>0</sec><nanosec>20000000</nanosec></{heartbeat}>
    </times>
  </data_writer>
</profiles>
"""


def segment_size(free: int, processes: int = PROCESSES) -> int:
    """Return the bytes of shared memory for each of some processes when so many are free."""
    return max(min(free // processes, LARGEST_SEGMENT) // 2**20 * 2**20, SMALLEST_SEGMENT)


def profile_text(free: int, distribution: str = '', processes: int = PROCESSES) -> str:
    """Return the profile.

    Args:
        free: Bytes of shared memory that are free on this machine.
        distribution: Name of the ROS distribution, '' for that of the wheels.
        processes: How many share the memory.
    """
    segment = segment_size(free, processes)
    # Version 3 renamed the element and refuses a file with the old name.
    heartbeat = 'heartbeatPeriod' if distribution in _FAST_DDS_2 else 'heartbeat_period'
    return _PROFILE.format(segment=segment, message=min(_MESSAGE, segment), heartbeat=heartbeat)


def transport_variables(
    environment: Mapping[str, str], folder: Path, processes: int = PROCESSES
) -> dict[str, str]:
    """Write the profile and return the environment variables that choose it.

    Args:
        environment: The user's; a profile chosen there is kept and nothing is written.
        folder: Where to write it.
        processes: How many share the machine's memory.
    """
    if environment.get(_VARIABLE) or environment.get(_HUMBLE_VARIABLE):
        return {}
    distribution = environment.get('ROS_DISTRO', '')
    path = folder.absolute() / 'fastdds.xml'
    with atomic_path(path) as temporary:
        text = profile_text(free_shared_memory(), distribution, processes)
        temporary.write_text(text, 'utf-8')
    return {_HUMBLE_VARIABLE if distribution == 'humble' else _VARIABLE: str(path)}


def free_shared_memory() -> int:
    """Return the bytes that are free in shared memory, 0 where it is unknown."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize
