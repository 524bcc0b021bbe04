# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the unknown: read from COCO-format files, mixed into street scenes."""

from __future__ import annotations

from anomaly_seg_training.proxies.base import (
    MIXERS,
    Aligner,
    Box,
    Mixed,
    Mixer,
    MixerFactory,
    Proxy,
    ProxyError,
)

__all__ = [
    'MIXERS',
    'Aligner',
    'Box',
    'Mixed',
    'Mixer',
    'MixerFactory',
    'Proxy',
    'ProxyError',
]
