# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No alignment, under a name: what the others are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.alignment.base import ALIGNERS, AlignerConfig, StyleAligner
from anomaly_seg_training.proxies.base import Box, Proxy


@ALIGNERS.register('none')
class NoAlignment(StyleAligner):
    """Leave proxies as they are."""

    config_type = AlignerConfig

    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return the proxy's own image."""
        del scene, box, rng
        return proxy.image
