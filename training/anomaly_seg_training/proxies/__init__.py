# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the unknown: read from COCO-format files, mixed into street scenes.

>>> from anomaly_seg_training.proxies import MIXERS
>>> MIXERS.names()
['anomaly_mix', 'coco_dag', 'maxent']
"""

from __future__ import annotations

from anomaly_seg_training.proxies.anomaly_mix import AnomalyMix, AnomalyMixConfig
from anomaly_seg_training.proxies.base import Aligner, Box, Mixed, Mixer, Proxy, ProxyError
from anomaly_seg_training.proxies.coco import (
    ProxyRules,
    read_known_objects,
    read_objects,
    read_photographs,
)
from anomaly_seg_training.proxies.coco_dag import CocoDag, CocoDagConfig
from anomaly_seg_training.proxies.drawn import drawn_objects
from anomaly_seg_training.proxies.maxent import MaxEnt, MaxEntConfig
from anomaly_seg_training.proxies.mixer import MIXERS, MixerConfig, ProxyMixer, create_mixer

__all__ = [
    'MIXERS',
    'Aligner',
    'AnomalyMix',
    'AnomalyMixConfig',
    'Box',
    'CocoDag',
    'CocoDagConfig',
    'MaxEnt',
    'MaxEntConfig',
    'Mixed',
    'Mixer',
    'MixerConfig',
    'Proxy',
    'ProxyError',
    'ProxyMixer',
    'ProxyRules',
    'create_mixer',
    'drawn_objects',
    'read_known_objects',
    'read_objects',
    'read_photographs',
]
