# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poles, lamps, traffic lights and traffic signs."""

from __future__ import annotations

import math

import numpy as np

from anomaly_seg_ros.synthetic import labels
from anomaly_seg_ros.synthetic.arrays import Colour, pick, scaled, varied
from anomaly_seg_ros.synthetic.sprite import Brush, Point, Sprite

_METAL: tuple[Colour, ...] = ((136, 140, 142), (96, 100, 102), (70, 76, 74), (156, 152, 144))
_RED: Colour = (190, 34, 40)
_BLUE: Colour = (40, 84, 170)
_WHITE: Colour = (236, 236, 232)


def _pole(brush: Brush, height: float, width: float, colour: Colour, part: int = 1) -> None:
    """Draw an upright tube that is light on one side and dark on the other."""
    brush.box(-width / 2, 0, width / 2, height, colour, part)
    brush.box(width * 0.15, 0, width / 2, height, scaled(colour, 0.68), 0)
    brush.box(-width * 0.3, 0, -width * 0.1, height, scaled(colour, 1.25), 0)


def lamp_post(rng: np.random.Generator) -> Sprite:
    """Return a street lamp, 5.5 to 8 metres tall."""
    height = float(rng.uniform(5.5, 8))
    reach = float(rng.choice((0.0, 1.4)))
    brush = Brush(2 * reach + 0.9, height, 44)
    metal = varied(rng, pick(rng, _METAL), 6)
    if reach:
        arm: list[Point] = [
            (0, height - 0.7),
            (-reach * 0.5, height - 0.2),
            (-reach, height - 0.12),
        ]
        brush.line(arm, 0.1, metal)
        brush.box(-reach - 0.35, height - 0.2, -reach + 0.3, height - 0.04, scaled(metal, 0.7))
    else:
        brush.ellipse((0, height - 0.22), (0.3, 0.2), (216, 214, 200))
        brush.ellipse((0, height - 0.1), (0.34, 0.09), scaled(metal, 0.6))
    _pole(brush, height - 0.5, 0.16, metal)
    _pole(brush, 1.0, 0.24, scaled(metal, 0.9))
    return brush.finish((labels.POLE,))


def bollard(rng: np.random.Generator) -> Sprite:
    """Return a bollard."""
    brush = Brush(0.24, 0.95, 130)
    colour = varied(rng, pick(rng, (*_METAL, (60, 60, 62))), 6)
    _pole(brush, 0.9, 0.16, colour)
    brush.box(-0.08, 0.68, 0.08, 0.78, _WHITE)
    brush.ellipse((0, 0.9), (0.09, 0.05), scaled(colour, 1.2))
    return brush.finish((labels.POLE,))


def traffic_light(rng: np.random.Generator) -> Sprite:
    """Return a traffic light on a pole: parts pole, traffic light."""
    brush = Brush(0.8, 3.5, 70)
    _pole(brush, 3.3, 0.14, varied(rng, pick(rng, _METAL), 6))
    brush.box(-0.26, 2.3, 0.26, 3.45, (44, 46, 46), 2)
    brush.box(-0.19, 2.36, 0.19, 3.39, (24, 25, 26), 2)
    on = int(rng.integers(3))
    lamps: tuple[Colour, ...] = ((60, 240, 130), (255, 196, 50), (255, 52, 44))
    for index, lamp in enumerate(lamps):
        colour = lamp if index == on else scaled(lamp, 0.24)
        brush.ellipse((0, 2.53 + 0.34 * index), (0.135, 0.135), colour, 2)
    return brush.finish((labels.POLE, labels.TRAFFIC_LIGHT))


def traffic_sign(rng: np.random.Generator) -> Sprite:
    """Return a round, triangular, rectangular or lozenge sign: parts pole, traffic sign."""
    kind = str(rng.choice(('ban', 'order', 'warning', 'stop', 'parking', 'priority', 'direction')))
    wide = 1.7 if kind == 'direction' else 1.0
    brush = Brush(wide, 3.1, 90)
    _pole(brush, 2.5, 0.1, varied(rng, pick(rng, _METAL), 6))
    y = 2.65
    if kind in ('ban', 'order'):
        brush.ellipse((0, y), (0.38, 0.38), _RED if kind == 'ban' else _BLUE, 2)
        if kind == 'ban':
            brush.ellipse((0, y), (0.29, 0.29), _WHITE, 2)
            _figures(rng, brush, y)
        else:
            brush.line([(0, y - 0.2), (0, y + 0.2)], 0.08, _WHITE, 2)
            brush.polygon([(-0.15, y + 0.08), (0.15, y + 0.08), (0, y + 0.27)], _WHITE, 2)
    elif kind == 'warning':
        brush.polygon([(-0.44, y - 0.3), (0.44, y - 0.3), (0, y + 0.44)], _RED, 2)
        brush.polygon([(-0.29, y - 0.21), (0.29, y - 0.21), (0, y + 0.28)], _WHITE, 2)
        brush.line([(0, y - 0.06), (0, y + 0.12)], 0.07, (30, 30, 30), 2)
        brush.ellipse((0, y - 0.15), (0.04, 0.04), (30, 30, 30), 2)
    elif kind == 'stop':
        angles = [math.pi / 8 + i * math.pi / 4 for i in range(8)]
        brush.polygon([(0.4 * math.cos(a), y + 0.4 * math.sin(a)) for a in angles], _RED, 2)
        brush.box(-0.26, y - 0.07, 0.26, y + 0.07, _WHITE, 2)
    elif kind == 'priority':
        for radius, colour in ((0.42, _WHITE), (0.3, (242, 190, 40))):
            brush.polygon([(0, y - radius), (radius, y), (0, y + radius), (-radius, y)], colour, 2)
    elif kind == 'parking':
        brush.box(-0.33, y - 0.33, 0.33, y + 0.33, _BLUE, 2)
        brush.line([(-0.1, y - 0.22), (-0.1, y + 0.2)], 0.08, _WHITE, 2)
        brush.ring((0, y + 0.1), 0.11, 0.08, _WHITE, 2)
    else:
        brush.box(-0.8, y - 0.28, 0.8, y + 0.3, pick(rng, (_BLUE, (242, 200, 50), _WHITE)), 2)
        for row in (y + 0.1, y - 0.14):
            brush.box(-0.6, row - 0.04, 0.3, row + 0.04, (60, 60, 64), 2)
    return brush.finish((labels.POLE, labels.TRAFFIC_SIGN))


def _figures(rng: np.random.Generator, brush: Brush, y: float) -> None:
    if rng.random() < 0.6:
        for x in (-0.1, 0.09):
            brush.ring((x, y), 0.085, 0.05, (30, 30, 30), 2)
    elif rng.random() < 0.5:
        brush.box(-0.22, y - 0.05, 0.22, y + 0.05, _RED, 2)
