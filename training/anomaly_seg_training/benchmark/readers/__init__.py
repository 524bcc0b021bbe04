# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One module per family of data sets; importing this package registers all of them."""

from __future__ import annotations

from anomaly_seg_training.benchmark.readers import (
    bdd_anomaly,
    camvid,
    cityscapes,
    coco,
    fishyscapes,
    folder,
    lost_and_found,
    road_anomaly,
    smiyc,
    street_hazards,
)

__all__ = [
    'bdd_anomaly',
    'camvid',
    'cityscapes',
    'coco',
    'fishyscapes',
    'folder',
    'lost_and_found',
    'road_anomaly',
    'smiyc',
    'street_hazards',
]
