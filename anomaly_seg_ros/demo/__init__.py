# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole chain on any input, and pictures of what came out."""

from anomaly_seg_ros.demo.run import Demo, run_demo

__all__ = ['Demo', 'run_demo']
