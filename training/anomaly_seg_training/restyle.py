# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours of one image given to another: mean and deviation in LAB (Reinhard et al. 2001)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_MAX_GAIN = 2.0
"""Flat images would otherwise be stretched to noise."""


@dataclass(frozen=True)
class Style:
    """Mean and standard deviation of an image's L, a and b, (3,) float32 each."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def of(cls, image: NDArray[np.uint8], mask: NDArray[np.uint8] | None = None) -> Style:
        """Measure an (H, W, 3) uint8 RGB image.

        Args:
            image: Large; every fourth row and column is enough of it.
            mask: (H, W); with it, all pixels where it is not 0 count, at least one.
        """
        if mask is None:
            lab = _to_lab(np.ascontiguousarray(image[::4, ::4])).reshape(-1, 3)
        else:
            lab = _to_lab(image)[mask > 0]
        return cls(lab.mean(0), lab.std(0))


def restyle(
    image: NDArray[np.uint8], own: Style, target: Style, max_gain: float = _MAX_GAIN
) -> NDArray[np.uint8]:
    """Map colours so that an image of style `own` gets the style `target`.

    Args:
        image: (H, W, 3) uint8 RGB, perhaps a part of the image that `own` was measured on.
        own: Style of the whole image.
        target: Style to take on.
        max_gain: Deviations are stretched, and shrunk, by this factor at most.
    """
    gain = np.clip(target.std / np.maximum(own.std, 1e-3), 1 / max_gain, max_gain)
    lab = (_to_lab(image) - own.mean) * gain + target.mean
    rgb = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)
    result: NDArray[np.uint8] = np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)
    return result


def _to_lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).astype(np.float32)
