# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring bundles on data sets and bags: resumable, the network once per image, exact."""

from anomaly_seg_training.evaluation.frames import EvaluationSet, Frame
from anomaly_seg_training.evaluation.models import Model, ModelOptions, load_model
from anomaly_seg_training.evaluation.run import Evaluation, EvaluationConfig
from anomaly_seg_training.evaluation.sources import bag_set, benchmark_sets

__all__ = [
    'Evaluation',
    'EvaluationConfig',
    'EvaluationSet',
    'Frame',
    'Model',
    'ModelOptions',
    'bag_set',
    'benchmark_sets',
    'load_model',
]
