# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a score map to a mask that is worth acting on: hysteresis, minimum area, persistence."""

from anomaly_seg_ros.cleanup.cleaner import MaskCleaner
from anomaly_seg_ros.cleanup.components import clean_mask
from anomaly_seg_ros.cleanup.config import CleanupConfig, CleanupError

__all__ = ['CleanupConfig', 'CleanupError', 'MaskCleaner', 'clean_mask']
