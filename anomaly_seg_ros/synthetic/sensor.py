# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What lens, shutter and sensor do to the picture; labels are not touched."""

from __future__ import annotations

import cv2
import numpy as np

from anomaly_seg_ros.synthetic.arrays import Pixels, pixels, to_pixels
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import Camera
from anomaly_seg_ros.synthetic.config import SceneConfig

_MARGIN = 64
_TILE = 389
"""A prime, so that the repetition of the noise meets no structure of the image."""


class Sensor:
    """The camera's optics and electronics for one clip.

    Args:
        config: Strengths of all effects.
        air: Rain leaves streaks.
        rng: Where noise, colour balance and exposure come from.
    """

    def __init__(self, config: SceneConfig, air: Atmosphere, rng: np.random.Generator) -> None:
        self._config = config
        width, height = config.size
        shape = (height + _MARGIN, width + _MARGIN)
        self._sigma = config.blur * width / 1024
        self._noise = _noise(rng, shape, config.noise) if config.noise > 0 else None
        self._rain = _rain(rng, shape) if air.weather == 'rain' else None
        balance = np.exp(rng.normal(0, 0.035, 3) + rng.normal(0, 0.06))
        gamma = float(np.exp(rng.normal(0, 0.06)))
        ramp = (np.arange(256)[:, None] / 255) ** gamma * balance
        # A film-like shoulder keeps highlights from clipping hard.
        ramp = np.where(ramp > 0.8, 0.8 + 0.2 * np.tanh((ramp - 0.8) / 0.2), ramp)
        self._tone = to_pixels(ramp * 255)[None]
        self._vignette = _vignette(width, height, config.vignette) if config.vignette > 0 else None

    def expose(self, image: Pixels, camera: Camera, moved: float, index: int) -> Pixels:
        """Return what the sensor reads.

        Args:
            image: (H, W, 4), not changed; the fourth channel is dropped.
            camera: Its axis is the centre of the motion blur.
            moved: Metres driven during one frame interval.
            index: The frame's number; noise differs from frame to frame.
        """
        config = self._config
        shift = np.random.default_rng((config.seed, index, 77)).integers(0, _MARGIN, 4)
        rows, columns = image.shape[:2]
        # While the shutter is open everything streams away from the point we drive to.
        growth = min(moved * config.motion_blur / 12, 0.02)
        if growth * columns > 0.6:
            scale = 1 - growth
            matrix = np.array(
                [[scale, 0, camera.centre_x * growth], [0, scale, camera.horizon * growth]]
            )
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            later = cv2.warpAffine(image, matrix, (columns, rows), flags=flags)
            image = pixels(cv2.addWeighted(image, 0.5, later, 0.5, 0))
        image = pixels(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB))
        if self._sigma > 0.15:
            image = pixels(cv2.GaussianBlur(image, (0, 0), self._sigma))
        image = pixels(cv2.LUT(image, self._tone))
        if self._rain is not None:
            streaks = self._rain[shift[2] : shift[2] + rows, shift[3] : shift[3] + columns]
            image = pixels(cv2.add(image, streaks))
        if self._vignette is not None:
            image = pixels(cv2.multiply(image, self._vignette, scale=1 / 255))
        if self._noise is not None:
            grain = self._noise[shift[0] : shift[0] + rows, shift[1] : shift[1] + columns]
            image = pixels(cv2.addWeighted(image, 1, grain, 1, -128))
        if config.jpeg_quality is not None:
            quality = [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality]
            _, data = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
            image = pixels(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))
        return image


def _noise(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> Pixels:
    """Return grey and some colour noise around 128."""
    grey = rng.standard_normal((_TILE, _TILE, 1), np.float32)
    colour = rng.standard_normal((_TILE, _TILE, 3), np.float32)
    tile = to_pixels(128 + strength * (np.float32(0.85) * grey + np.float32(0.5) * colour))
    times = (-(-shape[0] // _TILE), -(-shape[1] // _TILE), 1)
    return np.ascontiguousarray(np.tile(tile, times)[: shape[0], : shape[1]])


def _rain(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Return faint slanted streaks to be added to the image."""
    drops = (rng.random(shape) < 0.0012).astype(np.float32) * 255
    length = max(shape[0] // 24, 3)
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (length // 3, 0), (length // 2, length - 1), 1.0)
    streaks = cv2.filter2D(drops, -1, kernel / 9)
    return pixels(cv2.cvtColor(to_pixels(np.minimum(streaks, 34)), cv2.COLOR_GRAY2RGB))


def _vignette(width: int, height: int, strength: float) -> Pixels:
    """Return the light that reaches each pixel, 255 in the middle."""
    x = (np.arange(width) - (width - 1) / 2) / (width / 2)
    y = (np.arange(height) - (height - 1) / 2) / (width / 2)
    radius = x[None] ** 2 + y[:, None] ** 2
    gain = 255 * (1 - strength * np.minimum(radius / 1.25, 1))
    return pixels(cv2.cvtColor(to_pixels(gain), cv2.COLOR_GRAY2RGB))
