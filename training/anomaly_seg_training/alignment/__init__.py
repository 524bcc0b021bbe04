# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Style alignment: proxies that look as if the scene's camera had seen them.

>>> from anomaly_seg_training.alignment import ALIGNERS
>>> ALIGNERS.names()
['adain', 'camera', 'fourier', 'histogram', 'issa', 'lab', 'none', 'several']
"""

from __future__ import annotations

from anomaly_seg_training.alignment.adain import AdainAligner, AdainConfig
from anomaly_seg_training.alignment.base import (
    ALIGNERS,
    TRAINED,
    AlignerConfig,
    RegionConfig,
    StyleAligner,
    create_aligner,
)
from anomaly_seg_training.alignment.camera import CameraAligner, CameraConfig
from anomaly_seg_training.alignment.fourier import FourierAligner, FourierConfig
from anomaly_seg_training.alignment.histogram import HistogramAligner
from anomaly_seg_training.alignment.issa import IssaAligner, IssaConfig
from anomaly_seg_training.alignment.lab import LabAligner, LabConfig
from anomaly_seg_training.alignment.none import NoAlignment
from anomaly_seg_training.alignment.several import SeveralAligners, SeveralConfig

__all__ = [
    'ALIGNERS',
    'TRAINED',
    'AdainAligner',
    'AdainConfig',
    'AlignerConfig',
    'CameraAligner',
    'CameraConfig',
    'FourierAligner',
    'FourierConfig',
    'HistogramAligner',
    'IssaAligner',
    'IssaConfig',
    'LabAligner',
    'LabConfig',
    'NoAlignment',
    'RegionConfig',
    'SeveralAligners',
    'SeveralConfig',
    'StyleAligner',
    'create_aligner',
]
