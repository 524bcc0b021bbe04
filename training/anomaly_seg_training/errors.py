# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's error for what a user can mend."""

from __future__ import annotations

from anomaly_seg_ros.errors import AnomalySegError


class LabError(AnomalySegError):
    """A recipe, a data set or a checkpoint cannot be used."""
