# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ablations of the fine-tuning: one short schedule, many variants, several seeds, tables."""
