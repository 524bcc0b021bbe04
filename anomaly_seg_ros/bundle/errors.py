# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a bundle."""

from __future__ import annotations

from anomaly_seg_ros.errors import AnomalySegError


class BundleError(AnomalySegError):
    """A bundle is missing, incomplete, changed or contradicts itself."""
