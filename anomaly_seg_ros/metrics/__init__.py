# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good and how fast: anomalies, objects, segmentation, confidence, latency; no torch."""

from anomaly_seg_ros.metrics.anomaly import AnomalyMetrics, PerImageMetrics
from anomaly_seg_ros.metrics.calibration import CalibrationError, CalibrationResult
from anomaly_seg_ros.metrics.components import (
    COMPONENT_RULES,
    ComponentMetrics,
    ComponentResult,
    ComponentRule,
)
from anomaly_seg_ros.metrics.curves import AnomalyCurves, Curve
from anomaly_seg_ros.metrics.errors import MetricError
from anomaly_seg_ros.metrics.figures import AnomalyResult
from anomaly_seg_ros.metrics.latency import LatencyStats
from anomaly_seg_ros.metrics.segmentation import ConfusionMatrix, SegmentationResult
from anomaly_seg_ros.metrics.threshold_analysis import ThresholdAnalysis, ThresholdResult

__all__ = [
    'COMPONENT_RULES',
    'AnomalyCurves',
    'AnomalyMetrics',
    'AnomalyResult',
    'CalibrationError',
    'CalibrationResult',
    'ComponentMetrics',
    'ComponentResult',
    'ComponentRule',
    'ConfusionMatrix',
    'Curve',
    'LatencyStats',
    'MetricError',
    'PerImageMetrics',
    'SegmentationResult',
    'ThresholdAnalysis',
    'ThresholdResult',
]
