# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Another aligner for every object, so that no trace of one of them marks the unknown."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.alignment.base import (
    ALIGNERS,
    TRAINED,
    AlignerConfig,
    StyleAligner,
    create_aligner,
)
from anomaly_seg_training.proxies.base import Box, Proxy
from anomaly_seg_training.recipe_file import require

NAME = 'several'


@dataclass(frozen=True)
class SeveralConfig(AlignerConfig):
    """Which aligners take turns.

    Args:
        strength: As for all aligners.
        aligners: Their names, each as likely; they have their default options. Those that need
            weights are none of them.
    """

    aligners: list[str] = field(default_factory=lambda: ['none', 'lab', 'fourier', 'camera'])

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        names = [name for name in ALIGNERS.names() if name not in (NAME, *TRAINED)]
        good = bool(self.aligners) and all(name in names for name in self.aligners)
        require(good, 'aligners', self.aligners, f'some of {names}')


@ALIGNERS.register(NAME)
class SeveralAligners(StyleAligner):
    """Draw one of the aligners for each object."""

    config_type = SeveralConfig

    def __init__(self, config: AlignerConfig | None = None) -> None:
        super().__init__(config)
        names = (config if isinstance(config, SeveralConfig) else SeveralConfig()).aligners
        self.aligners = [create_aligner(name) for name in names]

    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return what the drawn aligner makes of the object."""
        chosen = self.aligners[int(rng.integers(len(self.aligners)))]
        return chosen.align(proxy, scene, box, rng).image
