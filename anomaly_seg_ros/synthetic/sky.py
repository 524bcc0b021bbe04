# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sky and what closes the horizon: a panorama that shifts with the heading."""

from __future__ import annotations

import cv2
import numpy as np

from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import labels
from anomaly_seg_ros.synthetic.arrays import Pixels, four_channels, fractal, pixels, to_pixels
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import Camera
from anomaly_seg_ros.synthetic.canvas import Canvas

_CLOUDS = {'clear': 0.25, 'cloudy': 0.7, 'haze': 0.15, 'rain': 0.95}


class Sky:
    """Sky gradient, clouds and a far skyline of trees and houses.

    Args:
        size: Image size.
        air: Light and weather.
        rng: Where clouds and skyline come from.
    """

    def __init__(self, size: Size, air: Atmosphere, rng: np.random.Generator) -> None:
        width, height = size
        columns, rows = 2 * width, max(round(0.62 * height), 8)
        self._above = rows
        # 0 at the panorama's top, 1 at the horizon; the gradient is steep near the horizon.
        small = (max(rows // 2, 4), max(columns // 2, 8))
        share = (np.linspace(0, 1, small[0], dtype=np.float32) ** 1.6)[:, None, None]
        zenith, horizon = (np.array(c, np.float32) for c in (air.light.zenith, air.light.horizon))
        sky = zenith * (1 - share) + horizon * share
        cover = _CLOUDS[air.weather]
        # Clouds are seen from the side low over the horizon, so they are wide and flat.
        density = fractal(rng, small, (5, 7), 6)
        density = np.clip((density - (0.72 - 0.45 * cover)) * 3.2, 0, 1)
        density *= np.linspace(1, 0.35, small[0], dtype=np.float32)[:, None]
        lower = cv2.GaussianBlur(density, (0, 0), max(rows / 80, 0.8))
        glow = np.asarray(air.light.sun) + np.asarray(air.light.ambient)
        bright = np.minimum(glow * 232, 250).astype(np.float32)
        shaded = bright * (0.72 if cover < 0.9 else 0.82)
        tone = bright + (shaded - bright) * lower[:, :, None]
        sky = sky + (tone - sky) * (density * 0.85)[:, :, None]
        whole = cv2.resize(to_pixels(sky), (columns, rows), interpolation=cv2.INTER_LINEAR)
        self._sky = four_channels(whole)
        self._skyline, self._owners = _skyline(width, columns, air, rng)

    def draw(self, canvas: Canvas, camera: Camera) -> None:
        """Draw everything above the horizon."""
        width, height = canvas.size
        horizon = min(max(int(np.floor(camera.horizon)) + 1, 0), height)
        heading = camera.bend.slope(camera.z) * camera.focal - camera.centre_x + width / 2
        start = round(heading) % self._sky.shape[1]
        rows = self._above
        canvas.owners[:horizon] = canvas.part(labels.SKY)
        top = horizon - rows
        if top > 0:
            canvas.image[:top] = self._sky[0, 0]
        visible = slice(max(-top, 0), rows)
        _copy_wrapped(self._sky[visible], canvas.image[max(top, 0) : horizon], start)
        rows = min(self._skyline.shape[0], horizon)
        patch = np.empty((rows, width, 4), np.uint8)
        owners = np.empty((rows, width), np.uint8)
        _copy_wrapped(self._skyline[self._skyline.shape[0] - rows :], patch, start)
        _copy_wrapped(self._owners[self._owners.shape[0] - rows :], owners, start)
        parts = canvas.table((canvas.part(labels.VEGETATION), canvas.part(labels.BUILDING)))
        canvas.paste(patch, owners, (0, horizon - rows), parts)


def _copy_wrapped(source: Pixels, target: Pixels, start: int) -> None:
    width, columns = target.shape[1], source.shape[1]
    first = min(columns - start, width)
    target[:, :first] = source[:, start : start + first]
    target[:, first:] = source[:, : width - first]


def _skyline(
    width: int, columns: int, air: Atmosphere, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Return the far skyline's picture and its owners (0 sky, 1 vegetation, 2 building)."""
    rows = max(round(0.09 * width), 4)
    up = rows - 1 - np.arange(rows)[:, None]
    hills = fractal(rng, (1, columns), (1, 6), 4)[0]
    tufts = fractal(rng, (1, columns), (1, 160), 3)[0]
    crest = rows * (0.12 + 0.25 * hills + 0.10 * tufts)
    owners = (up < crest[None]).astype(np.uint8)
    noise = fractal(rng, (rows, columns), (4, 200), 3)[:, :, None]
    depth = 260.0
    green = np.array([70, 92, 50]) * (0.6 + 0.7 * noise)
    image = air.colours(green.reshape(-1, 3), 0.4, depth).reshape(rows, columns, 3)
    column = 0
    while column < columns:
        step = int(rng.integers(max(width // 60, 1), max(width // 18, 2)))
        if rng.random() < 0.45:
            top = int(rows * rng.uniform(0.2, 0.85))
            tone = np.array([[120.0, 112, 108]]) * rng.uniform(0.7, 1.3)
            block = (slice(rows - top, rows), slice(column, min(column + step, columns)))
            image[block] = air.colours(tone, 0.4, depth)[0]
            windows = np.zeros(image[block].shape[:2], bool)
            windows[2::4, 1::3] = True
            image[block][windows] *= 0.85
            owners[block] = 2
        column += step
    return four_channels(to_pixels(image)), pixels(owners)
