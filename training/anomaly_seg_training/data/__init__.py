# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of data sets: every one gives RGB images and Cityscapes train ids, 255 = ignore.

>>> from anomaly_seg_training.data import READERS
>>> READERS.names()
['bags', 'camvid', 'cityscapes', 'coco', 'benchmark', 'mgu', 'synthetic', 'video']
"""

from __future__ import annotations

from anomaly_seg_training.data import (
    anomaly,
    bag,
    camvid,
    cityscapes,
    coco,
    held_out,
    mgu,
    synthetic,
    video,
)
from anomaly_seg_training.data.base import READERS, Example, histogram, open_reader
from anomaly_seg_training.data.labelled import DataError, check_labels

__all__ = [
    'READERS',
    'DataError',
    'Example',
    'anomaly',
    'bag',
    'camvid',
    'check_labels',
    'cityscapes',
    'coco',
    'held_out',
    'histogram',
    'mgu',
    'open_reader',
    'synthetic',
    'video',
]
