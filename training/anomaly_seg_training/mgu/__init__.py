# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic unknowns at the boundary of known classes (Lu et al. 2021): MGU."""
