# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Seeded street scenes with ground truth, drawn with NumPy and OpenCV alone.

>>> from anomaly_seg_ros.size import Size
>>> clip = StreetClip(SceneConfig(size=Size(256, 128), seed=7, frames=3))
>>> len(clip), clip[2].image.shape
(3, (128, 256, 3))
"""

from anomaly_seg_ros.synthetic.clip import Frame, StreetClip
from anomaly_seg_ros.synthetic.config import (
    LIGHTS,
    UNKNOWN_KINDS,
    WEATHERS,
    SceneConfig,
    SceneError,
)

__all__ = [
    'LIGHTS',
    'UNKNOWN_KINDS',
    'WEATHERS',
    'Frame',
    'SceneConfig',
    'SceneError',
    'StreetClip',
]
