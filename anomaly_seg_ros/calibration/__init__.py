# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class statistics and thresholds of a bundle from normal drives, with finite-sample bounds."""

from anomaly_seg_ros.calibration.config import (
    GUARANTEES,
    LEVELS,
    CalibrationConfig,
    CalibrationError,
    Promise,
)
from anomaly_seg_ros.calibration.run import Calibration, calibrate, chosen_outputs
from anomaly_seg_ros.calibration.store import check_target, store
from anomaly_seg_ros.calibration.thresholds import least_frames

__all__ = [
    'GUARANTEES',
    'LEVELS',
    'Calibration',
    'CalibrationConfig',
    'CalibrationError',
    'Promise',
    'calibrate',
    'check_target',
    'chosen_outputs',
    'least_frames',
    'store',
]
