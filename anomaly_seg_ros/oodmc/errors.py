# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The error of this package."""

from __future__ import annotations

from anomaly_seg_ros.errors import AnomalySegError


class OodmcError(AnomalySegError):
    """Stochastic forwards, their moments or their classifier cannot be used."""
