# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The smoothing kernel, for everything that smooths."""

from __future__ import annotations

import math

SIGMA = 1.0
"""In taps."""
RADIUS = 3
"""In taps: 7 of them."""
DILATION = 6
"""Pixels from tap to tap."""
PADDING = RADIUS * DILATION

_WEIGHTS = [math.exp(-((tap / SIGMA) ** 2) / 2) for tap in range(-RADIUS, RADIUS + 1)]
TAPS = tuple(weight / sum(_WEIGHTS) for weight in _WEIGHTS)
"""One row or column of the kernel, normalised."""
