# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of ROS 2 without ROS: reading, writing and recording frames with ground truth."""

from anomaly_seg_ros.bags.errors import BagError
from anomaly_seg_ros.bags.reader import Bag, RawMessage, Topic
from anomaly_seg_ros.bags.writer import STORAGES, BagWriter

__all__ = ['STORAGES', 'Bag', 'BagError', 'BagWriter', 'RawMessage', 'Topic']
