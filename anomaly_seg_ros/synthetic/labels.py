# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train ids of the Cityscapes classes, by name."""

from __future__ import annotations

from anomaly_seg_ros.classes import IGNORE

ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, VEGETATION = range(9)
TERRAIN, SKY, PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = range(9, 19)
UNKNOWN = IGNORE
"""Unknown objects have no class."""
