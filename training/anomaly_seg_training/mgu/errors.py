# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one error of this folder."""

from __future__ import annotations

from anomaly_seg_training.errors import LabError


class MguError(LabError):
    """Synthetic unknowns cannot be made, read or gone on with."""
