# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A proxy and a scene whose every pixel tells where it comes from."""

from __future__ import annotations

import numpy as np

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.proxies import Proxy


def disc(radius: int, colour: tuple[int, int, int] = (250, 10, 10)) -> Proxy:
    """A disc on a bright green background."""
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    mask = (np.hypot(rows, columns) <= radius).astype(np.uint8)
    image = np.where(mask[..., None] > 0, np.uint8(colour), np.uint8((0, 255, 0)))
    return Proxy(image, mask, 'disc', 'disc')


def scene_of(seed: int, height: int = 64, width: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A scene of noise without red, a third of it unlabelled."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 120, (height, width, 3), np.uint8)
    labels = rng.integers(0, 19, (height, width), np.uint8)
    labels[: height // 3] = IGNORE
    return image, labels
