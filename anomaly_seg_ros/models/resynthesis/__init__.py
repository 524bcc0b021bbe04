# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Re-synthesis (SynBoost): a generator of images from labels, and what tells them from photos.

Written from Di Biase et al., Pixel-wise Anomaly Detection in Complex Driving Scenes, CVPR 2021
(SynBoost), Park et al. 2019 (SPADE) and Liu et al. 2019 (CC-FPSE).
"""

from __future__ import annotations

from anomaly_seg_ros.models.resynthesis.conditional import ConditionalGenerator
from anomaly_seg_ros.models.resynthesis.dissimilarity import DissimilarityNetwork
from anomaly_seg_ros.models.resynthesis.framework import Resynthesis, ResynthesisMaps
from anomaly_seg_ros.models.resynthesis.generator import (
    GENERATORS,
    LayoutGenerator,
    SpadeGenerator,
    create_generator,
)
from anomaly_seg_ros.models.resynthesis.one_hot import check_label_map, one_hot
from anomaly_seg_ros.models.resynthesis.perceptual import (
    WEIGHTINGS,
    perceptual_difference,
)
from anomaly_seg_ros.models.resynthesis.spade import Spade
from anomaly_seg_ros.models.resynthesis.style import StyleEncoder
from anomaly_seg_ros.models.resynthesis.uncertainty import (
    normalise,
    softmax_distance,
)
from anomaly_seg_ros.models.resynthesis.vgg import Vgg

__all__ = [
    'GENERATORS',
    'WEIGHTINGS',
    'ConditionalGenerator',
    'DissimilarityNetwork',
    'LayoutGenerator',
    'Resynthesis',
    'ResynthesisMaps',
    'Spade',
    'SpadeGenerator',
    'StyleEncoder',
    'Vgg',
    'check_label_map',
    'create_generator',
    'normalise',
    'one_hot',
    'perceptual_difference',
    'softmax_distance',
]
