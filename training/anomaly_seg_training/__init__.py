# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The offline lab: data sets, training, measuring and exporting of anomaly_seg_ros's models."""

from __future__ import annotations

PROGRAM = 'anomaly-seg-lab'
"""The lab's command, as stored results name it."""
