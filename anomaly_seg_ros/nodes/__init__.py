# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2 adapters, thin: messages to arrays, parameters, quality of service, life cycle."""
