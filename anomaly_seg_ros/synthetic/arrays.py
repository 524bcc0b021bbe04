# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Array types and the few array helpers that every part of the generator uses."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int32]
Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""


def pixels(array: Any) -> Pixels:
    """Give OpenCV's loosely typed result its type; no data is touched."""
    return cast('Pixels', array)


def four_channels(image: Any) -> Pixels:
    """Return an RGB image (h, w, 3) as (h, w, 4), as the canvas wants it."""
    return pixels(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA))


def to_pixels(array: Any) -> Pixels:
    """Round and clip to 0..255 as uint8."""
    return pixels(np.clip(np.rint(array), 0, 255).astype(np.uint8))


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int], octaves: int = 4
) -> NDArray[np.float32]:
    """Make smooth noise that wraps around on all sides.

    Args:
        rng: Where randomness comes from.
        shape: Rows and columns.
        cells: Lumps of the coarsest octave, along rows and columns.
        octaves: Layers; each has twice the lumps and half the strength of the one before.

    Returns:
        (H, W) float32 from 0 to 1, mean about 0.5.
    """
    total = np.zeros(shape, np.float32)
    height, width = shape
    for octave in range(octaves):
        rows = min(cells[0] << octave, height)
        columns = min(cells[1] << octave, width)
        grid = rng.random((rows, columns), np.float32)
        # One wrapped cell on each side lets the cubic interpolation continue across the seam.
        padded = np.pad(grid, 2, mode='wrap')
        scale_y, scale_x = height / rows, width / columns
        matrix = np.array(
            [[1 / scale_x, 0, 2 - 0.5 + 0.5 / scale_x], [0, 1 / scale_y, 2 - 0.5 + 0.5 / scale_y]]
        )
        # Only in the large lumps would the creases of linear interpolation show.
        method = cv2.INTER_CUBIC if octave < 2 else cv2.INTER_LINEAR
        layer = cv2.warpAffine(
            padded, matrix, (width, height), flags=method | cv2.WARP_INVERSE_MAP
        )
        cv2.scaleAdd(layer, 0.5**octave, total, total)
    low, high = float(total.min()), float(total.max())
    return ((total - low) / max(high - low, 1e-6)).astype(np.float32)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return `first` moved towards `second` by `share` (0 to 1)."""
    return (
        first[0] + (second[0] - first[0]) * share,
        first[1] + (second[1] - first[1]) * share,
        first[2] + (second[2] - first[2]) * share,
    )


def scaled(colour: Colour, gain: float) -> Colour:
    """Return a colour made lighter or darker."""
    return (colour[0] * gain, colour[1] * gain, colour[2] * gain)


def varied(rng: np.random.Generator, colour: Colour, spread: float = 12) -> Colour:
    """Return a colour near `colour`: brightness varies by `spread`, each channel by a third."""
    shift = rng.normal(0, spread)
    red, green, blue = (float(c + shift + rng.normal(0, spread / 3)) for c in colour)
    return (min(max(red, 0), 255), min(max(green, 0), 255), min(max(blue, 0), 255))


def pick(rng: np.random.Generator, choices: tuple[Colour, ...]) -> Colour:
    """Return one of the colours."""
    return choices[int(rng.integers(len(choices)))]
