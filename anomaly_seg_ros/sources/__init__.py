# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames, with ground truth where there is some, from videos, folders, bags and the generator."""

from anomaly_seg_ros.sources.base import FrameSource, SourceError, SourceFrame
from anomaly_seg_ros.sources.choose import SourceOptions, open_source

__all__ = ['FrameSource', 'SourceError', 'SourceFrame', 'SourceOptions', 'open_source']
