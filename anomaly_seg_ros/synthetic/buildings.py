# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Facades, garden walls and fences: the pictures on upright surfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from anomaly_seg_ros.synthetic.arrays import (
    Colour,
    Pixels,
    fractal,
    mix,
    pick,
    scaled,
    to_pixels,
    varied,
)
from anomaly_seg_ros.synthetic.walls import Texture

_PLASTER: tuple[Colour, ...] = (
    (196, 184, 160), (206, 198, 188), (182, 150, 120), (164, 96, 78), (150, 142, 136),
    (188, 170, 132), (140, 84, 66), (170, 174, 178), (204, 178, 150), (128, 122, 118),
    (176, 140, 128), (152, 160, 150),
)  # fmt: skip
_ROOF: tuple[Colour, ...] = ((122, 66, 52), (84, 80, 82), (98, 76, 66), (70, 72, 80))
_GLASS: tuple[Colour, ...] = ((52, 62, 74), (68, 80, 92), (40, 46, 54), (92, 106, 118))
_SCALE = 20
_Box = Callable[[float, float, float, float, Colour], None]


@dataclass(frozen=True)
class Facade:
    """The street side and the gable side of a building, drawn when first seen."""

    seed: int
    width: float
    height: float
    depth: float

    def street_side(self) -> Texture:
        """Return the side with shops and doors."""
        return Texture(_facade(np.random.default_rng(self.seed), self.width, self.height, True))

    def gable_side(self) -> Texture:
        """Return the side that faces along the street."""
        return Texture(_facade(np.random.default_rng(self.seed), self.depth, self.height, False))


def _facade(rng: np.random.Generator, width: float, height: float, street: bool) -> Pixels:
    # Both sides of a building take their colours from the same first draws.
    base = varied(rng, pick(rng, _PLASTER), 10)
    roof, frame = varied(rng, pick(rng, _ROOF), 6), pick(rng, ((228, 226, 220), (90, 74, 62)))
    glass = pick(rng, _GLASS)
    storey, bay = float(rng.uniform(2.8, 3.4)), float(rng.uniform(1.9, 3.0))
    pane = (float(rng.uniform(0.9, min(1.5, bay - 0.7))), float(rng.uniform(1.3, 1.9)))
    brick, balcony, shop = rng.random() < 0.3, rng.random() < 0.35, rng.random() < 0.4
    roof_height = float(rng.choice((0.25, 1.8)))
    rows, columns = max(round(height * _SCALE), 8), max(round(width * _SCALE), 8)
    image = np.empty((rows, columns, 3), np.float32)
    stain = fractal(rng, (rows, columns), (3, 4), 4)
    image[:] = np.asarray(base) * (0.86 + 0.28 * stain[:, :, None])
    if brick:
        image[:: max(round(0.16 * _SCALE), 2)] *= 0.86
    canvas = to_pixels(image)

    def box(left: float, bottom: float, right: float, top: float, colour: Colour) -> None:
        first = (round(left * _SCALE), round((height - top) * _SCALE))
        last = (round(right * _SCALE) - 1, round((height - bottom) * _SCALE) - 1)
        cv2.rectangle(canvas, first, last, colour, -1)

    ground = storey * 1.2
    box(0, 0, width, 0.5, scaled(base, 0.62))
    if street and shop:
        _shop(rng, box, width, ground, glass)
    elif street:
        door = float(rng.uniform(1, max(width - 2, 1.1)))
        box(door - 0.1, 0, door + 1.2, 2.5, frame)
        box(door, 0, door + 1.1, 2.35, scaled(pick(rng, _ROOF), 0.8))
    count = max(int((width - 0.6) / bay), 1)
    margin = (width - count * bay) / 2 + (bay - pane[0]) / 2
    bottom = ground if street and shop else 1.0
    while bottom + pane[1] + 0.3 < height - roof_height:
        for index in range(count):
            if street or (index % 2 == 0):
                left = margin + index * bay
                tone = varied(rng, glass, 12)
                _window(box, left, bottom + 0.35, pane, frame, tone, rng)
                if street and balcony and bottom > ground and index % 3 == 1:
                    box(left - 0.4, bottom - 0.1, left + pane[0] + 0.4, bottom + 0.9, frame)
                    box(left - 0.3, bottom, left + pane[0] + 0.3, bottom + 0.8, scaled(base, 0.5))
        bottom += storey
    if street and shop:
        box(0, ground - 0.1, width, ground + 0.05, scaled(base, 0.75))
    if roof_height > 1:
        box(0, height - roof_height, width, height, roof)
        for course in np.arange(height - roof_height, height, 0.35):
            box(0, float(course), width, float(course) + 0.1, scaled(roof, 0.82))
    box(0, height - roof_height - 0.3, width, height - roof_height, scaled(base, 1.12))
    box(0, height - roof_height - 0.4, width, height - roof_height - 0.3, scaled(base, 0.6))
    # Eaves shade the wall below them; the foot is dirtier than the top.
    gain = np.linspace(1.04, 0.9, rows, dtype=np.float32)[:, None, None]
    return to_pixels(canvas * gain)


def _window(
    box: _Box,
    left: float,
    bottom: float,
    pane: tuple[float, float],
    frame: Colour,
    glass: Colour,
    rng: np.random.Generator,
) -> None:
    right, top = left + pane[0], bottom + pane[1]
    box(left - 0.1, bottom - 0.12, right + 0.1, top + 0.08, frame)
    box(left, bottom, right, top, glass)
    # The upper half mirrors the sky.
    box(left, bottom + 0.55 * pane[1], right, top, mix(glass, (178, 194, 208), 0.4))
    if rng.random() < 0.3:
        box(left, bottom + 0.3, left + 0.3 * pane[0], top, (196, 190, 180))
    box((left + right) / 2 - 0.04, bottom, (left + right) / 2 + 0.04, top, frame)
    box(left, top, right, top + 0.03, scaled(frame, 0.6))


def _shop(rng: np.random.Generator, box: _Box, width: float, ground: float, glass: Colour) -> None:
    accent = varied(rng, pick(rng, ((150, 40, 44), (40, 84, 130), (48, 110, 74), (190, 150, 60))))
    box(0.3, 0, width - 0.3, ground - 0.8, scaled(accent, 0.55))
    left = 0.5
    while left + 1.4 < width - 0.3:
        wide = float(rng.uniform(1.4, 3))
        right = min(left + wide, width - 0.5)
        box(left, 0.5, right, ground - 0.9, mix(glass, (210, 190, 150), float(rng.random()) * 0.5))
        box(left, 1.7, right, ground - 0.9, mix(glass, (190, 200, 206), 0.35))
        left += wide + 0.25
    box(0.2, ground - 0.8, width - 0.2, ground - 0.2, accent)
    for mark in np.arange(0.8, width - 1.4, 0.45):
        if rng.random() < 0.7:
            box(float(mark), ground - 0.65, float(mark) + 0.3, ground - 0.35, (232, 228, 214))


def garden_wall(rng: np.random.Generator, width: float, height: float) -> Texture:
    """Return masonry: courses of bricks or blocks under a coping."""
    base = varied(rng, pick(rng, ((150, 146, 138), (140, 92, 76), (172, 166, 154))), 8)
    rows, columns = max(round(height * 24), 8), max(round(width * 24), 8)
    stain = fractal(rng, (rows, columns), (2, max(round(width / 3), 2)), 4)
    image = np.asarray(base, np.float32) * (0.75 + 0.4 * stain[:, :, None])
    course, length = round(0.22 * 24), round(0.5 * 24)
    image[::course] *= 0.75
    for row in range(0, rows, course):
        image[row : row + course, (row // course % 2) * length // 2 :: length] *= 0.78
    image[: round(0.12 * 24)] = np.asarray(base) * 1.2
    return Texture(to_pixels(image))


def fence(rng: np.random.Generator, width: float, height: float) -> Texture:
    """Return a fence: pickets or a mesh panel before dark gaps, between posts."""
    base = varied(rng, pick(rng, ((120, 92, 64), (206, 204, 198), (74, 84, 78), (96, 98, 102))), 8)
    rows, columns = max(round(height * 30), 8), max(round(width * 30), 8)
    image = np.empty((rows, columns, 3), np.float32)
    image[:] = mix(base, (44, 52, 40), 0.75)
    pitch = round(float(rng.choice((0.16, 0.24))) * 30)
    wide = max(round(pitch * float(rng.uniform(0.45, 0.75))), 1)
    x = np.arange(columns)
    image[:, x % pitch < wide] = base
    image[:, x % pitch == 0] = scaled(base, 1.15)
    for rail in (0.15, 0.8):
        row = round(rows * rail)
        image[row : row + 3] = scaled(base, 0.85)
    post = x % (2 * 30) < 4
    image[:, post] = scaled(base, 0.7)
    image *= 0.9 + 0.2 * fractal(rng, (rows, columns), (2, 12), 3)[:, :, None]
    return Texture(to_pixels(image))
