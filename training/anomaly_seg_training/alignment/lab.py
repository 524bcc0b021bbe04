# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mean and deviation of colours in LAB, from the scene (Reinhard et al. 2001)."""

from __future__ import annotations

from dataclasses import dataclass

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
from anomaly_seg_training.recipe_file import require
from anomaly_seg_training.restyle import Style, restyle


@dataclass(frozen=True)
class LabConfig(RegionConfig):
    """How far colours are moved.

    Args:
        strength: As for all aligners.
        region: As for `RegionConfig`.
        max_gain: Deviations are stretched, and shrunk, by this factor at most: flat objects would
            otherwise be stretched to noise.
    """

    max_gain: float = 2.0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        require(self.max_gain >= 1, 'max_gain', self.max_gain, 'at least 1')


@ALIGNERS.register('lab')
class LabAligner(StyleAligner):
    """Give the object's pixels the scene's mean and deviation of L, a and b."""

    config_type = LabConfig

    def __init__(self, config: AlignerConfig | None = None) -> None:
        super().__init__(config)
        self.config = config if isinstance(config, LabConfig) else LabConfig()

    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Move the colours; only those under the mask are measured, all are moved."""
        del rng
        own = Style.of(proxy.image, proxy.mask)
        target = Style.of(region_of(scene, box, self.config.region))
        return restyle(proxy.image, own, target, self.config.max_gain)
