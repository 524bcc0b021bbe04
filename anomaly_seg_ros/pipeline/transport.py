# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile without which large images stall for seconds."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PROFILE = Path('config', 'fastdds_large_images.xml')
_SHARE = Path('share', 'anomaly_seg_ros')
_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
_HUMBLE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'


def large_image_profile() -> Path | None:
    """Return this package's profile, None when it was installed without its configuration."""
    # A checkout (also one that pip has linked), a ROS workspace, an environment of pip.
    places = [Path(__file__).resolve().parent.parent.parent]
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    places += [Path(prefix) / _SHARE for prefix in (*prefixes, sys.prefix) if prefix]
    return next((p / PROFILE for p in places if (p / PROFILE).is_file()), None)


def transport_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that choose the profile, none where the user chose one.

    With Fast DDS's own 512 KiB of shared memory, parts of large images are lost and repeated only
    when the writer asks for missing parts, every 3 seconds.
    """
    profile = large_image_profile()
    if profile is None or environment.get(_VARIABLE) or environment.get(_HUMBLE_VARIABLE):
        return {}
    # Newer distributions warn about the old name.
    humble = environment.get('ROS_DISTRO') == 'humble'
    return {_HUMBLE_VARIABLE if humble else _VARIABLE: str(profile)}
