# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find what a segmentation network has never been taught, in camera images on ROS 2."""

__version__ = '0.1.0'
