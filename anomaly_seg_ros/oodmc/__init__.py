# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OODMC: moments of stochastic forwards, classified pixel by pixel; needs torch.

L. Mao, Y. Sun, Z. Huang: Improving Performance and Compute Efficiency of Anomaly Segmentation
Models with COCO-DAG, section 3.2, Algorithm 1. A network with dropout gives other logits at each
forward; their mean, their central moments and the entropy of the mean are a pixel's features, and
a classifier tells the known from the unknown.
"""

from __future__ import annotations

from anomaly_seg_ros.oodmc.classifier import KINDS, PixelClassifier
from anomaly_seg_ros.oodmc.errors import OodmcError
from anomaly_seg_ros.oodmc.features import FeatureSpec, features
from anomaly_seg_ros.oodmc.model import OodmcModel
from anomaly_seg_ros.oodmc.moments import MAX_ORDER, Moments
from anomaly_seg_ros.oodmc.sampler import NaiveSampler, Sampler, dropout_layers
from anomaly_seg_ros.oodmc.sampling import Sampling, create_sampler, moment_stack, resolve
from anomaly_seg_ros.oodmc.scorer import Oodmc, score_map, to_tensor

__all__ = [
    'KINDS',
    'MAX_ORDER',
    'FeatureSpec',
    'Moments',
    'NaiveSampler',
    'Oodmc',
    'OodmcError',
    'OodmcModel',
    'PixelClassifier',
    'Sampler',
    'Sampling',
    'create_sampler',
    'dropout_layers',
    'features',
    'moment_stack',
    'resolve',
    'score_map',
    'to_tensor',
]
