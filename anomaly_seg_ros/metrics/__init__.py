# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good and how fast: anomaly detection, segmentation, latency (NumPy only)."""

from anomaly_seg_ros.metrics.anomaly import AnomalyMetrics, PerImageMetrics
from anomaly_seg_ros.metrics.curves import AnomalyCurves, Curve
from anomaly_seg_ros.metrics.errors import MetricError
from anomaly_seg_ros.metrics.figures import AnomalyResult
from anomaly_seg_ros.metrics.latency import LatencyStats
from anomaly_seg_ros.metrics.segmentation import ConfusionMatrix, SegmentationResult

__all__ = [
    'AnomalyCurves',
    'AnomalyMetrics',
    'AnomalyResult',
    'ConfusionMatrix',
    'Curve',
    'LatencyStats',
    'MetricError',
    'PerImageMetrics',
    'SegmentationResult',
]
