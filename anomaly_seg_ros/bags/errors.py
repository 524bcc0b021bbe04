# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The error of this package."""

from __future__ import annotations

from anomaly_seg_ros.errors import AnomalySegError


class BagError(AnomalySegError):
    """A bag cannot be read or written."""
