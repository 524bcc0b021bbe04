# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Score maps as the benchmarks with secret ground truth take them, written and read back."""

from anomaly_seg_training.submission.layouts import (
    SMIYC_SETS,
    Fishyscapes,
    Layout,
    Smiyc,
    SubmissionError,
)
from anomaly_seg_training.submission.reading import evaluate_submission
from anomaly_seg_training.submission.rounding import RoundingLoss, to_float16
from anomaly_seg_training.submission.writing import Submission

__all__ = [
    'SMIYC_SETS',
    'Fishyscapes',
    'Layout',
    'RoundingLoss',
    'Smiyc',
    'Submission',
    'SubmissionError',
    'evaluate_submission',
    'to_float16',
]
