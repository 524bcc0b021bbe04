# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anomaly scores: logits in, one float per pixel out, higher = more anomalous."""

from anomaly_seg_ros.scores.functions import (
    SCORES,
    energy,
    entropy,
    max_logit,
    max_min,
    max_softmax,
)
from anomaly_seg_ros.scores.logits import DenseLogits, Logits, PlaneLogits

__all__ = [
    'SCORES',
    'DenseLogits',
    'Logits',
    'PlaneLogits',
    'energy',
    'entropy',
    'max_logit',
    'max_min',
    'max_softmax',
]
