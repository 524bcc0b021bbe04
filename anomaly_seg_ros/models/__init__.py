# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmenters: image -> logits, behind one registry.

>>> from anomaly_seg_ros.models import create_segmenter
>>> segmenter = create_segmenter('litenet', num_classes=19)
>>> segmenter.stride
4

A segmenter is an ``nn.Module``: (N, 3, h, w) float RGB, preprocessed as its bundle's card says,
to raw logits (N, C, h / s, w / s) with s = ``segmenter.stride`` in {1, 2, 4, 8}.
"""

from __future__ import annotations

from anomaly_seg_ros.models import deeplab, erfnet, litenet, smp, streetnet, transformers
from anomaly_seg_ros.models.base import SEGMENTERS, ModelError, Segmenter, create_segmenter
from anomaly_seg_ros.models.erfnet import ERFNet
from anomaly_seg_ros.models.evidence_stream import EvidenceStream
from anomaly_seg_ros.models.litenet import LiteNet
from anomaly_seg_ros.models.pyramid import PyramidSegmenter
from anomaly_seg_ros.models.streetnet import StreetNet
from anomaly_seg_ros.models.two_streams import MAX_OCTAVES, TwoStreams
from anomaly_seg_ros.models.unknown_stream import UnknownStream
from anomaly_seg_ros.models.weights import load_state, load_weights, read_state_dict

__all__ = [
    'MAX_OCTAVES',
    'SEGMENTERS',
    'ERFNet',
    'EvidenceStream',
    'LiteNet',
    'ModelError',
    'PyramidSegmenter',
    'Segmenter',
    'StreetNet',
    'TwoStreams',
    'UnknownStream',
    'create_segmenter',
    'deeplab',
    'erfnet',
    'litenet',
    'load_state',
    'load_weights',
    'read_state_dict',
    'smp',
    'streetnet',
    'transformers',
]
