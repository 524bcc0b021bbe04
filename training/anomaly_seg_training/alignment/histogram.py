# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values of each channel distributed as in the scene."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.alignment.base import (
    ALIGNERS,
    AlignerConfig,
    RegionConfig,
    StyleAligner,
    region_of,
)
from anomaly_seg_training.proxies.base import Box, Proxy


@ALIGNERS.register('histogram')
class HistogramAligner(StyleAligner):
    """Map red, green and blue, each by one rising table, to the scene's distributions."""

    config_type = RegionConfig

    def __init__(self, config: AlignerConfig | None = None) -> None:
        super().__init__(config)
        self.config = config if isinstance(config, RegionConfig) else RegionConfig()

    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Map the channels; only what lies under the mask is counted, everything is mapped."""
        del rng
        target = region_of(scene, box, self.config.region)
        inside = proxy.mask > 0
        tables = [
            matching_table(proxy.image[..., channel][inside], target[..., channel])
            for channel in range(3)
        ]
        table = np.stack(tables, 1)[None]
        return cv2.LUT(proxy.image, table).astype(np.uint8, copy=False)


def matching_table(values: NDArray[np.uint8], target: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the rising table that gives values the distribution of others.

    A value goes to that of `target` with the same rank, the rank being the share of lower values
    and half of equal ones; between the values that `target` holds it is interpolated.

    Args:
        values: Any shape, at least one value.
        target: Any shape, at least one value.

    Returns:
        (256,) uint8.
    """
    own, other = (np.bincount(array.ravel(), minlength=256) for array in (values, target))
    rank, wanted = ((np.cumsum(n) - n / 2) / n.sum() for n in (own, other))
    there = np.flatnonzero(other)
    table = np.interp(rank, wanted[there], there)
    result: NDArray[np.uint8] = np.round(table).astype(np.uint8)
    return result
