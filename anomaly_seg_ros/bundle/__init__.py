# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles: a folder with a model and ``card.json``, all that a node needs to know of it."""

from anomaly_seg_ros.bundle.bundle import Bundle, default_bundle_path
from anomaly_seg_ros.bundle.card import Card
from anomaly_seg_ros.bundle.entries import GraphFile, SegmenterSpec, Threshold, WeightsFile
from anomaly_seg_ros.bundle.errors import BundleError
from anomaly_seg_ros.bundle.kinds import DETECTORS, open_detector
from anomaly_seg_ros.bundle.onnx_graph import OnnxGraph
from anomaly_seg_ros.bundle.preprocessing import Preprocessing
from anomaly_seg_ros.bundle.resynthesis import ResynthesisSpec
from anomaly_seg_ros.bundle.write import write_bundle

__all__ = [
    'DETECTORS',
    'Bundle',
    'BundleError',
    'Card',
    'GraphFile',
    'OnnxGraph',
    'Preprocessing',
    'ResynthesisSpec',
    'SegmenterSpec',
    'Threshold',
    'WeightsFile',
    'default_bundle_path',
    'open_detector',
    'write_bundle',
]
