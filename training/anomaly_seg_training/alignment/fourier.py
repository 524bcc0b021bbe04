# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Low frequencies of the scene, with the object's own phase (Yang and Soatto 2020, FDA)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.alignment.base import ALIGNERS, AlignerConfig, StyleAligner, part_at
from anomaly_seg_training.proxies.base import Box, Proxy
from anomaly_seg_training.recipe_file import require


@dataclass(frozen=True)
class FourierConfig(AlignerConfig):
    """Which frequencies come from the scene.

    Args:
        strength: As for all aligners.
        beta: Half of the square of frequencies, as a share of the shorter side and rounded down:
            ``floor(min(h, w) * beta)`` frequencies on each side of the constant one. More than 0
            exchanges at least the constant, the mean colour; 0 exchanges nothing.
    """

    beta: float = 0.01

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        require(0 <= self.beta <= 0.5, 'beta', self.beta, '0 to 0.5')


@ALIGNERS.register('fourier')
class FourierAligner(StyleAligner):
    """Take the amplitudes of low frequencies from the place where the proxy goes."""

    config_type = FourierConfig

    def __init__(self, config: AlignerConfig | None = None) -> None:
        super().__init__(config)
        self.config = config if isinstance(config, FourierConfig) else FourierConfig()

    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Exchange amplitudes with a part of the scene of the proxy's size."""
        del rng
        part = part_at(scene, box, least=1)
        size = proxy.mask.shape
        if part.shape[:2] != size:
            part = cv2.resize(part, size[::-1]).astype(np.uint8, copy=False)
        return exchange_amplitudes(proxy.image, part, self.config.beta)


def exchange_amplitudes(
    image: NDArray[np.uint8], style: NDArray[np.uint8], beta: float
) -> NDArray[np.uint8]:
    """Give an image the amplitudes that another has at low frequencies.

    Args:
        image: (h, w, 3) uint8; keeps its phases and high frequencies.
        style: (h, w, 3) uint8.
        beta: As for `FourierConfig`.

    Returns:
        (h, w, 3) uint8, clipped.
    """
    if beta == 0:
        return image
    rows, columns = image.shape[:2]
    half = int(min(rows, columns) * beta)
    # Half of the spectrum is enough: amplitudes of real images are symmetric.
    low = (
        np.unique(np.arange(-half, half + 1) % rows)[:, None],
        np.arange(min(half, columns // 2) + 1)[None],
    )
    own = np.fft.rfft2(image.astype(np.float32), axes=(0, 1))
    other = np.fft.rfft2(style.astype(np.float32), axes=(0, 1))[low]
    amplitude = np.abs(own[low])
    # No amplitude has no phase; any will do, and 0 is the usual one.
    phase = np.where(amplitude > 0, own[low] / np.maximum(amplitude, 1e-12), 1)
    own[low] = np.abs(other) * phase
    result = np.fft.irfft2(own, (rows, columns), axes=(0, 1))
    return np.clip(np.round(result), 0, 255).astype(np.uint8)
