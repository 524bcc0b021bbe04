# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Road, kerbs, sidewalks and grass: one remap of a cross-section, one of a grain texture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.synthetic import labels
from anomaly_seg_ros.synthetic.arrays import (
    Colour,
    Floats,
    Pixels,
    four_channels,
    fractal,
    pixels,
    scaled,
    to_pixels,
    varied,
)
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import Camera
from anomaly_seg_ros.synthetic.canvas import Canvas
from anomaly_seg_ros.synthetic.street import Street

HALF_WIDTH = 40.0
"""Metres of ground to each side; beyond it the outermost colour goes on."""

_FINE = 0.01
_GRAIN = 0.05
_PERIOD = 25.6


@dataclass(frozen=True)
class Mark:
    """A polygon on the ground: paint, a patch of fresh asphalt, a driveway.

    Args:
        points: (N, 2) x, z in metres.
        colour: Unlit colour.
        label: The class it turns the ground into; None leaves the class as it is.
    """

    points: Floats
    colour: Colour
    label: int | None = None


class Ground:
    """Draws everything flat that lies on the ground.

    Args:
        street: The cross-section.
        rng: Where colours and textures come from.
    """

    def __init__(self, street: Street, rng: np.random.Generator) -> None:
        asphalt = varied(rng, (106, 106, 108), 13)
        paving = varied(rng, (150, 143, 136), 14)
        kerb = varied(rng, (172, 170, 166), 8)
        grass = varied(rng, (96, 118, 62), 10)
        columns = round(2 * HALF_WIDTH / _FINE)
        x = (np.arange(columns) + 0.5) * _FINE - HALF_WIDTH
        self._zones: Pixels = np.zeros((1, columns), np.uint8)
        profile = np.zeros((1, columns, 3))
        for side in street.sides:
            # Without a garden the frontage is paved up to the walls.
            garden = side.front - side.walk > 0.5 or rng.random() < 0.5
            inner = 0.0
            for outer, label in side.zones():
                inside = (x * side.sign >= inner) & (x * side.sign < outer)
                last = outer > HALF_WIDTH
                colour = {labels.ROAD: asphalt, labels.SIDEWALK: paving}.get(label, grass)
                if label == labels.SIDEWALK and outer - inner < 0.2:
                    colour = kerb
                if last and not garden:
                    label, colour = labels.SIDEWALK, scaled(paving, 0.95)
                profile[0, inside] = colour
                self._zones[0, inside] = label
                inner = outer
            gutter = (x * side.sign > side.kerb - 0.3) & (x * side.sign < side.kerb)
            profile[0, gutter] *= 0.88
            for lane in range(side.lanes):
                off = np.abs(x - side.lane_centre(lane))
                # Tyres polish two tracks per lane; oil darkens the middle.
                profile[0] *= (1 + 0.05 * np.exp(-(((off - 0.8) / 0.3) ** 2)))[:, None]
                profile[0] *= (1 - 0.05 * np.exp(-((off / 0.35) ** 2)))[:, None]
        # Colour and class lie side by side, so one look-up per pixel brings both.
        self._profile = np.concatenate([to_pixels(profile), self._zones[:, :, None]], 2)
        self._grain = _grain_levels(self._zones, rng)

    def draw(self, canvas: Canvas, camera: Camera, air: Atmosphere, marks: list[Mark]) -> None:
        """Draw the ground below the horizon."""
        first = max(int(np.floor(camera.horizon)) + 1, 0)
        width, height = canvas.size
        if first >= height:
            return
        depth = camera.focal * camera.height / (np.arange(first, height) - camera.horizon)
        depth = np.minimum(depth, 2000)
        slope = (depth / camera.focal).astype(np.float32)[:, None]
        start = (-camera.lateral_shift(camera.z + depth)).astype(np.float32)[:, None]
        columns = (np.arange(width) - camera.centre_x).astype(np.float32)[None]
        x = columns * slope + start
        fine = x * np.float32(1 / _FINE) + np.float32(HALF_WIDTH / _FINE - 0.5)
        nothing = np.zeros_like(fine)
        image = canvas.image[first:]
        cv2.remap(self._profile, fine, nothing, cv2.INTER_NEAREST, image, cv2.BORDER_REPLICATE)
        zones = cv2.extractChannel(image, 3)
        parts = np.zeros(256, np.uint16)
        for label in (labels.ROAD, labels.SIDEWALK, labels.TERRAIN):
            parts[label] = canvas.part(label)
        canvas.owners[first:] = cv2.LUT(zones, parts)
        for mark in marks:
            _draw_mark(canvas, camera, mark)
        self._add_grain(image, camera, x, depth)
        _light(image, air, depth)

    def _add_grain(
        self, image: Pixels, camera: Camera, x: NDArray[np.float32], depth: Floats
    ) -> None:
        footprint = depth**2 / (camera.focal * camera.height)
        wanted = np.clip(np.log2(np.maximum(footprint / _GRAIN, 1)) / 2, 0, len(self._grain) - 1)
        level_of_row = np.rint(wanted).astype(int)
        columns = x * np.float32(1 / _GRAIN) + np.float32(HALF_WIDTH / _GRAIN - 0.5)
        along = (camera.z + depth) % _PERIOD / _GRAIN
        for level, texture in enumerate(self._grain):
            rows = np.flatnonzero(level_of_row == level)
            if rows.size == 0:
                continue
            band = slice(int(rows[0]), int(rows[-1]) + 1)
            map_y = np.repeat(
                (along[band] / 4**level - 0.5).astype(np.float32)[:, None], x.shape[1], 1
            )
            grain = cv2.remap(
                texture, columns[band], map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
            )
            grain = cv2.cvtColor(grain, cv2.COLOR_GRAY2RGBA)
            cv2.addWeighted(image[band], 1, grain, 1, -128, image[band])


def _grain_levels(zones: Pixels, rng: np.random.Generator) -> list[Pixels]:
    """Return textures around 128, each a quarter as long as the one before."""
    rows, columns = round(_PERIOD / _GRAIN), round(2 * HALF_WIDTH / _GRAIN)
    zone = zones[0, :: round(_GRAIN / _FINE)][:columns]
    speckle = rng.standard_normal((rows, columns), np.float32)
    blotch = fractal(rng, (rows, columns), (8, 24), 3) - 0.5
    tuft = fractal(rng, (rows, columns), (64, 200), 2) - 0.5
    road = 4 * speckle + 18 * blotch
    grass = 8 * speckle + 40 * tuft + 40 * blotch
    stone = 3 * speckle + 16 * blotch
    pitch = round(float(rng.choice((0.4, 0.5, 0.8))) / _GRAIN)
    joint = (np.arange(rows) % pitch == 0)[:, None] | (np.arange(columns) % pitch == 0)[None]
    stone -= 22 * joint
    tone = np.select([zone == labels.ROAD, zone == labels.SIDEWALK], [road, stone], grass)
    levels = [to_pixels(tone + 128)]
    while levels[-1].shape[0] >= 16:
        half = (columns, levels[-1].shape[0] // 4)
        levels.append(pixels(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA)))
    return levels


def _draw_mark(canvas: Canvas, camera: Camera, mark: Mark) -> None:
    x, z = mark.points[:, 0], mark.points[:, 1]
    if z.max() <= camera.z + 1:
        return
    z = np.maximum(z, camera.z + 1)
    flat = np.stack([x, np.zeros_like(x), z], 1)
    points, _ = camera.project(flat)
    part = None if mark.label is None else canvas.part(mark.label)
    canvas.polygon(points, mark.colour, part)


def _light(image: Pixels, air: Atmosphere, depth: Floats) -> None:
    """Light the ground and fade it with distance; neighbouring rows share a table."""
    shade = 0.12 + 0.8 * float(air.sun_direction[1])
    step = air.haze_step(depth)
    edges = np.flatnonzero(np.diff(step)) + 1
    for first, last in zip([0, *edges], [*edges, len(step)], strict=True):
        band = image[first:last]
        cv2.LUT(band, four_channels(air.table(shade, float(depth[first]))), band)
