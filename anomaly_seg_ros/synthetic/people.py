# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""People, and riders on bicycles and motorcycles."""

from __future__ import annotations

import math

import numpy as np

from anomaly_seg_ros.synthetic import labels
from anomaly_seg_ros.synthetic.arrays import Colour, pick, scaled, varied
from anomaly_seg_ros.synthetic.sprite import Brush, Point, Sprite

_SKIN: tuple[Colour, ...] = ((224, 184, 156), (196, 150, 120), (150, 106, 80), (100, 70, 54))
_HAIR: tuple[Colour, ...] = ((40, 32, 28), (90, 62, 40), (150, 116, 70), (140, 136, 132))
_TOP: tuple[Colour, ...] = (
    (50, 56, 70), (150, 44, 48), (60, 92, 140), (200, 196, 188), (92, 104, 76), (34, 34, 38),
    (204, 160, 70), (120, 84, 110), (84, 130, 136), (222, 120, 80),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = (
    (44, 52, 74),
    (36, 36, 40),
    (96, 86, 72),
    (70, 76, 88),
    (130, 120, 104),
)
PHASES = 6
"""Pictures of one stride."""


def walker(rng: np.random.Generator, sun_side: float, sideways: bool, phase: int) -> Sprite:
    """Return one of `PHASES` pictures of a person's stride, to the right or along the view."""
    return _person(rng, sun_side, phase / PHASES, sideways)


def _limb(
    brush: Brush, start: Point, angles: tuple[float, float], lengths: tuple[float, float],
    widths: tuple[float, float], colours: tuple[Colour, Colour], part: int = 1,
) -> Point:  # fmt: skip
    """Draw two hinged segments hanging from `start`; return the end."""
    joint = (
        start[0] + math.sin(angles[0]) * lengths[0],
        start[1] - math.cos(angles[0]) * lengths[0],
    )
    end = (
        joint[0] + math.sin(angles[1]) * lengths[1],
        joint[1] - math.cos(angles[1]) * lengths[1],
    )
    brush.line([start, joint], widths[0], colours[0], part)
    brush.line([joint, end], widths[1], colours[1], part)
    return end


def _person(rng: np.random.Generator, sun_side: float, phase: float, sideways: bool) -> Sprite:
    tall = float(rng.uniform(1.52, 1.92)) / 1.75
    build = float(rng.uniform(0.9, 1.2))
    skin, hair, top, legs = (varied(rng, pick(rng, c), 8) for c in (_SKIN, _HAIR, _TOP, _TROUSERS))
    skirt, long_hair, bag = rng.random() < 0.2, rng.random() < 0.35, rng.random() < 0.35
    brush = Brush(1.3 * tall, 1.84 * tall, 110 / tall)
    # All measures below are for a person of 1.75 m.
    brush.scale = 110.0
    swing = math.sin(2 * math.pi * phase)
    shoe: Colour = pick(rng, ((34, 30, 28), (200, 198, 194), (90, 60, 44)))
    hip, shoulder = 0.92, 1.42
    for order, sign in ((0, -1.0), (1, 1.0)):
        dark = 0.78 if order == 0 else 1.0
        angle = 0.42 * swing * sign if sideways else 0.04 * sign
        knee = angle - max(0.0, -0.5 * swing * sign) * (1 if sideways else 0)
        lift = 0.0 if sideways else 0.05 * max(0.0, swing * sign)
        x = 0.0 if sideways else 0.085 * build * sign
        foot = _limb(
            brush, (x, hip + lift * 0.2), (angle, knee), (0.42, 0.44 - lift),
            (0.17 * build, 0.13 * build), (scaled(legs, dark), scaled(legs, dark * 0.95)),
        )  # fmt: skip
        toe = (foot[0] + (0.12 if sideways else 0.03 * sign), foot[1] - 0.03)
        brush.line([(foot[0], foot[1] - 0.02), toe], 0.09, scaled(shoe, dark))
    if skirt:
        brush.polygon([(-0.16, 1.0), (0.16, 1.0), (0.24, 0.55), (-0.24, 0.55)], legs)
    arm = 0.38 * swing
    half = (0.13 if sideways else 0.19) * build
    far = _limb(brush, (-half * (0 if sideways else 1.05), shoulder - 0.04),
                (arm if sideways else -0.12, (arm + 0.2) if sideways else -0.05), (0.30, 0.27),
                (0.10, 0.08), (scaled(top, 0.75), scaled(top, 0.72)))  # fmt: skip
    brush.ellipse((far[0], far[1] - 0.03), (0.045, 0.05), skin)
    neck = shoulder + 0.06
    brush.polygon([(-half, shoulder), (-half * 0.6, neck), (half * 0.6, neck), (half, shoulder),
                   (half * 0.92, hip - 0.04), (-half * 0.92, hip - 0.04)], top)  # fmt: skip
    brush.ellipse((0, hip - 0.01), (half * 0.95, 0.09), scaled(top, 0.95))
    if bag:
        brush.ellipse((-half * 0.9, 1.2), (0.11, 0.2), varied(rng, (70, 60, 54), 16))
    near = _limb(brush, (half * (0 if sideways else 1.05), shoulder - 0.04),
                 (-arm if sideways else 0.12, (-arm + 0.2) if sideways else 0.05), (0.30, 0.27),
                 (0.105, 0.085), (scaled(top, 1.08), scaled(top, 1.04)))  # fmt: skip
    brush.ellipse((near[0], near[1] - 0.03), (0.045, 0.05), skin)
    _head(brush, (0.02 if sideways else 0, 1.615), skin, hair, long_hair, sideways)
    brush.round_off(sun_side, 0.09, 0.55)
    brush.scale = 110 / tall
    return brush.finish((labels.PERSON,))


def _head(
    brush: Brush, centre: Point, skin: Colour, hair: Colour, long_hair: bool, sideways: bool,
    part: int = 1,
) -> None:  # fmt: skip
    x, y = centre
    if long_hair:
        brush.ellipse((x - 0.03, y - 0.07), (0.12, 0.17), hair, part)
    brush.line([(x, y - 0.16), (x, y - 0.08)], 0.1, scaled(skin, 0.85), part)
    brush.ellipse((x, y), (0.088, 0.12), skin, part)
    back = -0.035 if sideways else 0.0
    brush.ellipse((x + back, y + 0.055), (0.092, 0.085), hair, part)


def cyclist(rng: np.random.Generator, sun_side: float, sideways: bool) -> Sprite:
    """Return a rider (part 2) on a bicycle (part 1), from the side or from behind."""
    skin, top, legs = (varied(rng, pick(rng, c), 8) for c in (_SKIN, _TOP, _TROUSERS))
    frame = varied(
        rng, pick(rng, ((170, 40, 40), (40, 60, 120), (60, 60, 62), (210, 210, 206))), 8
    )
    helmet = varied(rng, pick(rng, ((210, 210, 60), (230, 230, 230), (180, 40, 40), (40, 44, 50))))
    rubber: Colour = (32, 32, 34)
    if not sideways:
        brush = Brush(0.8, 1.8, 110)
        brush.box(-0.03, 0, 0.03, 0.68, rubber)
        brush.line([(-0.24, 1.0), (0.24, 1.0)], 0.04, rubber)
        brush.line([(0, 0.6), (0, 0.9)], 0.05, frame)
        brush.box(-0.09, 0.55, 0.09, 0.6, (180, 30, 30))
        for sign, knee in ((-1.0, 0.62), (1.0, 0.48)):
            brush.line([(0.08 * sign, 0.95), (0.13 * sign, knee), (0.1 * sign, knee - 0.34)], 0.13,
                       legs, 2)  # fmt: skip
            brush.line([(0.18 * sign, 1.38), (0.27 * sign, 1.2), (0.22 * sign, 1.02)], 0.09,
                       scaled(top, 0.9), 2)  # fmt: skip
        brush.polygon([(-0.2, 1.42), (0.2, 1.42), (0.17, 0.92), (-0.17, 0.92)], top, 2)
        brush.ellipse((0, 0.94), (0.17, 0.1), legs, 2)
        brush.ellipse((0, 1.6), (0.09, 0.12), skin, 2)
        brush.ellipse((0, 1.66), (0.11, 0.09), helmet, 2)
    else:
        brush = Brush(1.9, 1.8, 100)
        for x in (-0.52, 0.52):
            brush.ring((x, 0.34), 0.32, 0.045, rubber, 1)
            brush.line([(x - 0.3, 0.34), (x + 0.3, 0.34)], 0.012, (150, 150, 150))
            brush.line([(x, 0.04), (x, 0.64)], 0.012, (150, 150, 150))
        bars: list[Point] = [(-0.52, 0.34), (-0.05, 0.3), (0.4, 0.78), (-0.15, 0.8), (-0.05, 0.3)]
        brush.line(bars, 0.05, frame)
        brush.line([(-0.52, 0.34), (-0.15, 0.8), (-0.18, 0.92)], 0.045, frame)
        brush.line([(0.52, 0.34), (0.38, 0.95), (0.5, 1.0)], 0.045, frame)
        brush.box(-0.3, 0.9, -0.06, 0.96, rubber)
        hip: Point = (-0.18, 0.98)
        brush.line([hip, (0.22, 0.78), (0.02, 0.36), (0.12, 0.32)], 0.12, scaled(legs, 0.75), 2)
        brush.line([hip, (0.18, 0.62), (-0.1, 0.25), (0.02, 0.2)], 0.13, legs, 2)
        brush.polygon(
            [(-0.32, 0.98), (-0.06, 0.94), (0.26, 1.38), (0.08, 1.5), (-0.1, 1.4)], top, 2
        )
        brush.line([(0.17, 1.38), (0.28, 1.12), (0.5, 1.02)], 0.09, scaled(top, 1.1), 2)
        brush.ellipse((0.27, 1.58), (0.1, 0.12), skin, 2)
        brush.ellipse((0.25, 1.65), (0.125, 0.08), helmet, 2)
    brush.round_off(sun_side, 0.07, 0.5)
    return brush.finish((labels.BICYCLE, labels.RIDER))


def motorcyclist(rng: np.random.Generator, sun_side: float, sideways: bool) -> Sprite:
    """Return a rider (part 2) on a motorcycle (part 1), from the side or from behind."""
    jacket = varied(
        rng, pick(rng, ((36, 36, 40), (130, 34, 36), (54, 60, 84), (170, 170, 160))), 8
    )
    paint = varied(rng, pick(rng, ((160, 30, 34), (34, 38, 44), (40, 70, 140), (216, 120, 40))), 8)
    helmet = varied(rng, pick(rng, ((226, 226, 226), (30, 32, 36), (190, 40, 40), (220, 190, 50))))
    rubber, metal, legs = (28.0, 28.0, 30.0), (150.0, 150.0, 152.0), (44.0, 46.0, 56.0)
    if not sideways:
        brush = Brush(1.0, 1.75, 110)
        brush.ellipse((0, 0.32), (0.1, 0.32), rubber)
        brush.polygon([(-0.2, 0.5), (0.2, 0.5), (0.16, 0.86), (-0.16, 0.86)], paint)
        brush.box(-0.14, 0.66, 0.14, 0.76, (190, 30, 30))
        brush.box(-0.1, 0.46, 0.1, 0.6, (222, 222, 214))
        brush.line([(-0.4, 1.06), (0.4, 1.06)], 0.05, rubber)
        for sign in (-1.0, 1.0):
            brush.ellipse((0.4 * sign, 1.17), (0.07, 0.05), rubber)
            brush.line(
                [(0.12 * sign, 0.86), (0.27 * sign, 0.62), (0.22 * sign, 0.3)], 0.15, legs, 2
            )
            brush.line([(0.2 * sign, 1.34), (0.33 * sign, 1.2), (0.34 * sign, 1.08)], 0.11,
                       scaled(jacket, 0.9), 2)  # fmt: skip
        brush.polygon([(-0.24, 1.4), (0.24, 1.4), (0.18, 0.82), (-0.18, 0.82)], jacket, 2)
        brush.ellipse((0, 1.56), (0.13, 0.155), helmet, 2)
    else:
        brush = Brush(2.2, 1.7, 95)
        for x in (-0.68, 0.68):
            brush.ring((x, 0.31), 0.25, 0.13, rubber, 1)
            brush.ring((x, 0.31), 0.15, 0.03, metal, 1)
        brush.polygon([(-0.45, 0.4), (0.3, 0.3), (0.42, 0.6), (-0.3, 0.68)], (70, 70, 74))
        brush.polygon([(-0.95, 0.74), (-0.6, 0.6), (0.2, 0.66), (0.5, 0.86), (0.1, 0.98),
                       (-0.4, 0.82)], paint)  # fmt: skip
        brush.line([(0.68, 0.31), (0.42, 0.95), (0.3, 1.08)], 0.07, metal)
        brush.line([(-0.9, 0.36), (-0.2, 0.34)], 0.08, metal)
        brush.ellipse((0.56, 0.86), (0.1, 0.1), (226, 226, 210))
        brush.line([(-0.3, 0.88), (0.14, 0.66), (-0.08, 0.34), (0.06, 0.3)], 0.15, legs, 2)
        brush.polygon([(-0.5, 0.86), (-0.14, 0.82), (0.16, 1.26), (-0.02, 1.42), (-0.24, 1.3)],
                      jacket, 2)  # fmt: skip
        brush.line([(0.02, 1.28), (0.14, 1.02), (0.34, 1.06)], 0.11, scaled(jacket, 1.15), 2)
        brush.ellipse((0.12, 1.5), (0.15, 0.155), helmet, 2)
        brush.ellipse((0.21, 1.49), (0.07, 0.06), (44, 52, 62), 2)
    brush.round_off(sun_side, 0.08, 0.5)
    return brush.finish((labels.MOTORCYCLE, labels.RIDER))
