# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trees, bushes and hedges."""

from __future__ import annotations

import math

import numpy as np

from anomaly_seg_ros.synthetic import labels
from anomaly_seg_ros.synthetic.arrays import (
    Colour,
    Singles,
    fractal,
    pick,
    scaled,
    to_pixels,
    varied,
)
from anomaly_seg_ros.synthetic.sprite import Brush, Sprite

_LEAVES: tuple[Colour, ...] = (
    (86, 116, 48), (68, 100, 44), (104, 128, 56), (60, 88, 52), (120, 126, 52), (150, 118, 48),
    (78, 110, 60), (52, 80, 40),
)  # fmt: skip


def tree(rng: np.random.Generator, sun_side: float) -> Sprite:
    """Return a tree, 5 to 9 metres tall."""
    height = float(rng.uniform(5, 9))
    width = height * float(rng.uniform(0.55, 0.85))
    brush = Brush(width, height, 30)
    bark = varied(rng, (84, 70, 56), 10)
    slim = rng.random() < 0.2
    crown_y = height * (0.56 if slim else 0.66)
    lean = float(rng.normal(0, 0.1))
    stem = max(0.05 * height * float(rng.uniform(0.6, 1)), 0.18)
    brush.line([(0, 0), (lean * 0.5, height * 0.35), (lean, crown_y)], stem, bark)
    for _ in range(5):
        angle = float(rng.uniform(-1.0, 1.0))
        start = height * float(rng.uniform(0.3, 0.45))
        tip = (math.sin(angle) * width * 0.35, start + math.cos(angle) * height * 0.3)
        brush.line([(lean * 0.5, start), tip], stem * 0.45, scaled(bark, 0.9))
    brush.multiply(_noise(rng, brush, (30, 10), 0.7, 0.6))
    radius = (width * (0.28 if slim else 0.40), height * (0.38 if slim else 0.31))
    _foliage(rng, brush, (lean, crown_y), radius, varied(rng, pick(rng, _LEAVES), 8), sun_side)
    return brush.finish((labels.VEGETATION,))


def bush(rng: np.random.Generator, sun_side: float) -> Sprite:
    """Return a bush, 1 to 2.2 metres tall."""
    height = float(rng.uniform(1.0, 2.2))
    width = height * float(rng.uniform(1.0, 2.0))
    brush = Brush(width, height, 60)
    leaves = varied(rng, pick(rng, _LEAVES), 8)
    brush.ellipse((0, height * 0.2), (width * 0.36, height * 0.2), scaled(leaves, 0.5))
    _foliage(rng, brush, (0, height * 0.46), (width * 0.38, height * 0.42), leaves, sun_side)
    return brush.finish((labels.VEGETATION,))


def _shape(brush: Brush) -> tuple[int, int]:
    return (brush.parts.shape[0], brush.parts.shape[1])


def _noise(
    rng: np.random.Generator, brush: Brush, cells: tuple[int, int], low: float, span: float
) -> Singles:
    noise: Singles = low + np.float32(span) * fractal(rng, _shape(brush), cells, 3)
    return noise


def _foliage(
    rng: np.random.Generator,
    brush: Brush,
    centre: tuple[float, float],
    radii: tuple[float, float],
    leaves: Colour,
    sun_side: float,
) -> None:
    """Fill a ragged crown with clumps of leaves that are light above and dark below."""
    rows, columns = brush.parts.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x = (x - columns / 2) / brush.scale - centre[0]
    y = (rows - y) / brush.scale - centre[1]
    field = np.full((rows, columns), -1.0, np.float32)
    light = np.zeros((rows, columns), np.float32)
    for _ in range(9):
        angle, reach = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0.15, 0.68))
        cx, cy = radii[0] * reach * math.cos(angle), radii[1] * reach * math.sin(angle)
        size = float(rng.uniform(0.35, 0.6))
        u, v = (x - cx) / (radii[0] * size), (y - cy) / (radii[1] * size)
        inside = 1 - u * u - v * v
        closer = inside > field
        field = np.where(closer, inside, field)
        light = np.where(closer, 0.45 * v + 0.35 * sun_side * u, light)
    body = 1 - (x / radii[0]) ** 2 - (y / radii[1]) ** 2
    field = np.maximum(field, body - 0.35)
    per_metre = max(round(rows / brush.scale * 2.6), 2), max(round(columns / brush.scale * 2.6), 2)
    leaf = fractal(rng, (rows, columns), per_metre, 3)
    fine = rng.random((rows, columns), np.float32)
    mask = field + 1.5 * (leaf - 0.5) + 0.25 * (fine - 0.5) > 0.12
    light = light + 0.45 * (y / radii[1]) + 2.2 * (leaf - 0.5) + 0.3 * (fine - 0.5)
    gain = np.clip(0.92 + 0.42 * light, 0.32, 1.6)[:, :, None]
    # Sunlit leaves turn yellowish, shaded ones bluish.
    hue = np.array([0.10, 0.04, -0.12], np.float32) * np.clip(light, -1, 1)[:, :, None]
    colour = to_pixels(np.asarray(leaves) * (gain + hue))
    brush.colour = np.where(mask[:, :, None], colour, brush.colour)
    brush.parts = np.where(mask, np.uint8(1), brush.parts)
