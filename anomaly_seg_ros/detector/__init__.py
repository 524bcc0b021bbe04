# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmenter and scores as one graph: image in, labels and scores out."""

from anomaly_seg_ros.detector.create import create_detector
from anomaly_seg_ros.detector.export import ExportError, export
from anomaly_seg_ros.detector.graph import Detector
from anomaly_seg_ros.detector.resynthesis import ResynthesisDetector

__all__ = ['Detector', 'ExportError', 'ResynthesisDetector', 'create_detector', 'export']
