# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of no known class: every one has its own shape, colours and surface."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.synthetic import labels
from anomaly_seg_ros.synthetic.arrays import (
    Colour,
    Singles,
    fractal,
    mix,
    pick,
    scaled,
    to_pixels,
    varied,
)
from anomaly_seg_ros.synthetic.sprite import Brush, Point, Sprite

_BRIGHT: tuple[Colour, ...] = (
    (214, 60, 48), (236, 150, 40), (240, 210, 60), (70, 160, 90), (50, 130, 190), (150, 70, 170),
    (232, 110, 160), (60, 190, 190), (240, 240, 236), (40, 40, 46),
)  # fmt: skip
_EARTHY: tuple[Colour, ...] = (
    (150, 112, 70), (176, 140, 96), (110, 80, 56), (196, 176, 140), (120, 110, 96), (86, 72, 60),
)  # fmt: skip


@dataclass(frozen=True)
class Unknown:
    """An unknown object: its picture and the width and height it fills, in metres."""

    sprite: Sprite
    width: float
    height: float


def unknown(kind: str, seed: int, sun_side: float) -> Unknown:
    """Return the object of a kind that a seed stands for."""
    rng = np.random.default_rng(seed)
    width, height = footprint(kind, seed)
    # The brush is a little larger than the object, so that outlines are never cut.
    brush = Brush(width * 1.12, height * 1.06, 150 / max(width, height))
    _MAKERS[kind](rng, brush, width, height)
    if kind in ('blob', 'shard', 'ball', 'suitcase', 'sack') or rng.random() < 0.2:
        _surface(rng, brush)
    brush.multiply(0.82 + 0.36 * fractal(rng, brush.parts.shape, (5, 5), 4))
    flat = kind in ('crate', 'pallet', 'furniture', 'shard')
    brush.round_off(sun_side, 0.10 * height if flat else 0.35 * min(width, height), 0.6)
    return Unknown(brush.finish((labels.UNKNOWN,)), width, height)


def footprint(kind: str, seed: int) -> tuple[float, float]:
    """Return the width and height in metres of the object that a seed stands for."""
    low, high, aspect = _SIZES[kind]
    rng = np.random.default_rng((seed, 1))
    height = float(rng.uniform(low, high))
    return height * aspect * float(rng.uniform(0.8, 1.25)), height


_SIZES = {
    # least height, greatest height, width over height
    'crate': (0.4, 1.2, 1.25), 'barrel': (0.7, 1.1, 0.72), 'tyre': (0.55, 0.9, 1.0),
    'cone': (0.45, 0.9, 0.75), 'sack': (0.4, 0.8, 1.2), 'pallet': (0.3, 0.9, 1.9),
    'animal': (0.5, 1.3, 1.35), 'blob': (0.4, 1.4, 1.1), 'shard': (0.4, 1.4, 1.1),
    'furniture': (0.6, 1.2, 1.1), 'ball': (0.3, 0.8, 1.0), 'suitcase': (0.5, 0.8, 0.8),
}  # fmt: skip


def _crate(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    colour = varied(rng, pick(rng, (*_EARTHY, *_BRIGHT)), 12)
    lift, skew = 0.2 * h, 0.14 * w * float(rng.choice((-1, 1)))
    left, right = -w / 2 + max(-skew, 0), w / 2 - max(skew, 0)
    front = h - lift
    brush.polygon([(left, front), (right, front), (right + skew, h), (left + skew, h)],
                  scaled(colour, 1.3))  # fmt: skip
    edge = right if skew > 0 else left
    brush.polygon([(edge, 0), (edge + skew, lift), (edge + skew, h), (edge, front)],
                  scaled(colour, 0.6))  # fmt: skip
    brush.box(left, 0, right, front, colour)
    if rng.random() < 0.6:
        boards = int(rng.integers(3, 6))
        for index in range(1, boards):
            y = front * index / boards
            brush.line([(left, y), (right, y)], 0.02 * h, scaled(colour, 0.5), 0)
        brush.line([(left, 0), (right, front)], 0.09 * h, scaled(colour, 0.8), 0)
        for x in (left + 0.04 * w, right - 0.04 * w):
            brush.line([(x, 0), (x, front)], 0.08 * h, scaled(colour, 0.82), 0)
    else:
        brush.box(-0.06 * w, 0, 0.06 * w, front, mix(colour, (236, 226, 200), 0.6), 0)
        brush.box(left + 0.1 * w, 0.5 * front, left + 0.32 * w, 0.75 * front, (232, 232, 228), 0)


def _barrel(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    colour = varied(rng, pick(rng, _BRIGHT), 12)
    low, high = 0.06 * h, 0.92 * h
    brush.polygon([(-0.42 * w, low), (0.42 * w, low), (0.5 * w, 0.5 * h), (0.42 * w, high),
                   (-0.42 * w, high), (-0.5 * w, 0.5 * h)], colour)  # fmt: skip
    brush.ellipse((0, 0.06 * h), (0.42 * w, 0.06 * h), colour)
    band = mix(colour, pick(rng, ((240, 240, 236), (40, 40, 44))), 0.75)
    for y in (0.22, 0.5, 0.78):
        brush.line([(-0.46 * w, y * h), (0.46 * w, y * h)], 0.07 * h, band, 0)
    brush.ellipse((0, 0.92 * h), (0.42 * w, 0.07 * h), scaled(colour, 0.55))
    brush.ellipse((0.1 * w, 0.92 * h), (0.08 * w, 0.02 * h), (30, 30, 30), 0)


def _tyre(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    rubber = varied(rng, (40, 40, 43), 6)
    if rng.random() < 0.5:
        brush.ellipse((0, h / 2), (w / 2, h / 2), rubber)
        brush.ellipse((0, h / 2), (0.27 * w, 0.27 * h), varied(rng, (128, 112, 96), 14))
        brush.ring((0, h / 2), 0.36 * h, 0.02 * h, (84, 84, 88), 0)
    else:
        for level in range(3):
            y = h * (0.18 + 0.3 * level)
            brush.ellipse((float(rng.normal(0, 0.03)) * w, y), (0.48 * w, 0.17 * h),
                          scaled(rubber, 0.8 + 0.25 * level))  # fmt: skip
        brush.ellipse((0, 0.84 * h), (0.26 * w, 0.08 * h), (18, 18, 19))


def _cone(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    colour = varied(rng, pick(rng, ((236, 96, 30), (236, 96, 30), (220, 210, 40), (70, 150, 60))))
    brush.polygon([(-w / 2, 0), (w / 2, 0), (0.42 * w, 0.1 * h), (-0.42 * w, 0.1 * h)],
                  scaled(colour, 0.75))  # fmt: skip

    def at(y: float) -> float:
        return 0.34 * w * (1 - y) + 0.05 * w * y

    brush.polygon([(-at(0), 0.08 * h), (at(0), 0.08 * h), (at(1), h), (-at(1), h)], colour)
    for low, high in ((0.28, 0.45), (0.62, 0.76)):
        brush.polygon([(-at(low), low * h), (at(low), low * h), (at(high), high * h),
                       (-at(high), high * h)], (238, 238, 234))  # fmt: skip


def _sack(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    colour = varied(rng, pick(rng, (*_EARTHY, (44, 46, 50), (224, 224, 222), (60, 90, 150))), 10)
    angles = np.linspace(0, 2 * math.pi, 22, endpoint=False)
    wobble = rng.normal(1, 0.05, 22)
    points: list[Point] = [
        (float(0.48 * w * r * math.cos(a)), float(max(0.4 * h + 0.42 * h * r * math.sin(a), 0)))
        for a, r in zip(angles, wobble, strict=True)
    ]
    brush.polygon(points, colour)
    brush.polygon([(-0.1 * w, 0.78 * h), (0.1 * w, 0.78 * h), (0.2 * w, h), (-0.16 * w, 0.97 * h)],
                  scaled(colour, 0.9))  # fmt: skip
    brush.line([(-0.11 * w, 0.8 * h), (0.11 * w, 0.8 * h)], 0.03 * h, scaled(colour, 0.45), 0)
    for _ in range(5):
        x, y = float(rng.uniform(-0.3, 0.3)) * w, float(rng.uniform(0.15, 0.7)) * h
        fold: list[Point] = [(x, y), (x + 0.1 * w * float(rng.normal()), y - 0.2 * h)]
        brush.line(fold, 0.025 * h, scaled(colour, 0.62), 0)


def _pallet(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    wood = varied(rng, (180, 146, 100), 14)
    layers = max(int(rng.integers(1, 4)), round(h / 0.35))
    for level in range(layers):
        low, high = h * level / layers, h * (level + 1) / layers
        shift = float(rng.normal(0, 0.02)) * w
        left, right, deep = -0.47 * w + shift, 0.47 * w + shift, high - low
        brush.box(left, low, right, high, (46, 38, 30))
        for x in (left, shift - 0.06 * w, right - 0.12 * w):
            brush.box(x, low, x + 0.12 * w, high, scaled(wood, 0.8))
        brush.box(left, high - 0.3 * deep, right, high, wood)
        brush.box(left, low, right, low + 0.22 * deep, scaled(wood, 0.9))


def _animal(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    coat = varied(rng, pick(rng, (*_EARTHY, (60, 56, 54), (226, 218, 206))), 12)
    facing = float(rng.choice((-1, 1)))
    body = float(rng.uniform(0.50, 0.60)) * h
    stride = float(rng.uniform(-0.06, 0.06)) * w
    for x, dark in ((-0.26, 0.7), (0.2, 0.7), (-0.32, 0.95), (0.26, 0.95)):
        step = stride if dark < 0.8 else -stride
        legs: list[Point] = [(x * w * facing, body), ((x * w + step) * facing, 0.03 * h)]
        brush.line(legs, 0.09 * h, scaled(coat, dark))
    brush.ellipse((-0.02 * w * facing, body), (0.36 * w, float(rng.uniform(0.17, 0.23)) * h), coat)
    head = float(rng.uniform(0.76, 0.86)) * h
    brush.line([(0.26 * w * facing, body + 0.05 * h), (0.36 * w * facing, head)], 0.17 * h, coat)
    brush.ellipse((0.40 * w * facing, head), (0.11 * w, 0.085 * h), scaled(coat, 1.05))
    for x in (0.31, 0.37):
        ear: list[Point] = [(x * w * facing, head + 0.05 * h), ((x + 0.05) * w * facing, head),
                            (x * w * facing, min(head + 0.17 * h, h))]  # fmt: skip
        brush.polygon(ear, scaled(coat, 0.7))
    tail: list[Point] = [
        (-0.34 * w * facing, body + 0.06 * h),
        (-0.45 * w * facing, body - 0.1 * h),
    ]
    brush.line(tail, 0.06 * h, scaled(coat, 0.85))
    if rng.random() < 0.5:
        other = pick(rng, ((236, 232, 224), (40, 36, 34)))
        for _ in range(6):
            spot: Point = (
                float(rng.uniform(-0.28, 0.24)) * w,
                body + float(rng.normal(0, 0.07)) * h,
            )
            brush.ellipse(spot, (0.06 * w, 0.05 * h), other, 0)


def _blob(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    radius = np.ones(48)
    for order in range(2, 6):
        phase = float(rng.uniform(0, 2 * math.pi))
        radius += float(rng.normal(0, 0.22)) / order * np.cos(order * angles + phase)
    _outline(rng, brush, w, h, angles, radius)


def _shard(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    count = int(rng.integers(3, 8))
    angles = np.sort(rng.uniform(0, 2 * math.pi, count)) + np.linspace(0, 0.3, count)
    _outline(rng, brush, w, h, angles, rng.uniform(0.6, 1.1, count))


def _outline(
    rng: np.random.Generator,
    brush: Brush,
    w: float,
    h: float,
    angles: NDArray[np.float64],
    radius: NDArray[np.float64],
) -> None:
    """Fill a star-shaped outline, stretched to exactly the object's width and height."""
    x, y = radius * np.cos(angles), radius * np.sin(angles)
    x = ((x - x.min()) / np.ptp(x) - 0.5) * w
    y = (y - y.min()) / np.ptp(y) * h
    points = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    brush.polygon(points, varied(rng, pick(rng, _BRIGHT), 16))


def _furniture(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    wood, cloth = varied(rng, pick(rng, _EARTHY), 10), varied(rng, pick(rng, _BRIGHT), 14)
    if rng.random() < 0.5:
        brush.box(-w / 2, 0.1 * h, w / 2, 0.5 * h, cloth)
        brush.box(-0.42 * w, 0.4 * h, 0.42 * w, h, scaled(cloth, 0.85))
        brush.box(-0.36 * w, 0.42 * h, -0.01 * w, 0.55 * h, scaled(cloth, 1.2))
        brush.box(0.01 * w, 0.42 * h, 0.36 * w, 0.55 * h, scaled(cloth, 1.2))
        for x in (-0.5, 0.36):
            brush.box(x * w, 0.1 * h, (x + 0.14) * w, 0.66 * h, scaled(cloth, 1.1))
            brush.box((x + 0.04) * w, 0, (x + 0.1) * w, 0.1 * h, scaled(wood, 0.5))
    else:
        tilt = float(rng.uniform(-0.25, 0.25)) * w
        brush.box(-0.46 * w, 0.44 * h, 0.4 * w, 0.56 * h, wood)
        for x in (-0.44, 0.32):
            brush.line(
                [(x * w, 0.5 * h), (x * w - tilt * 0.3, 0.03 * h)], 0.07 * h, scaled(wood, 0.8)
            )
            brush.line([(x * w + 0.1 * w, 0.5 * h), (x * w + 0.1 * w, 0.1 * h)], 0.06 * h,
                       scaled(wood, 0.6))  # fmt: skip
        brush.polygon(
            [(-0.46 * w, 0.5 * h), (-0.34 * w, 0.5 * h), (-0.34 * w, h), (-0.46 * w, h)], wood
        )
        brush.box(-0.44 * w, 0.56 * h, 0.36 * w, 0.66 * h, cloth)


def _ball(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    colour = varied(rng, pick(rng, _BRIGHT), 14)
    brush.ellipse((0, h / 2), (min(w, h) / 2, h / 2), colour)


def _suitcase(rng: np.random.Generator, brush: Brush, w: float, h: float) -> None:
    colour = varied(rng, pick(rng, (*_BRIGHT, *_EARTHY)), 12)
    handle: list[Point] = [(-0.16 * w, 0.76 * h), (-0.16 * w, 0.97 * h), (0.16 * w, 0.97 * h),
                           (0.16 * w, 0.76 * h)]  # fmt: skip
    brush.line(handle, 0.05 * h, (60, 60, 64))
    brush.line([(-0.38 * w, 0.14 * h), (0.38 * w, 0.14 * h), (0.38 * w, 0.7 * h),
                (-0.38 * w, 0.7 * h), (-0.38 * w, 0.14 * h)], 0.16 * h, colour)  # fmt: skip
    brush.box(-0.4 * w, 0.1 * h, 0.4 * w, 0.72 * h, colour)
    for x in (-0.3, 0.3):
        brush.ellipse((x * w, 0.04 * h), (0.05 * w, 0.04 * h), (24, 24, 26))
    for x in (-0.2, 0.0, 0.2):
        brush.line([(x * w, 0.14 * h), (x * w, 0.7 * h)], 0.025 * h, scaled(colour, 0.65), 0)


def _surface(rng: np.random.Generator, brush: Brush) -> None:
    """Lay stripes, checks, dots, a gradient or marbling over the object."""
    rows, columns = brush.parts.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) / max(rows, columns)
    style = int(rng.integers(6))
    turn = float(rng.uniform(0, math.pi))
    along = x * math.cos(turn) + y * math.sin(turn)
    across = -x * math.sin(turn) + y * math.cos(turn)
    pitch = float(rng.uniform(3, 9))
    wave = fractal(rng, (rows, columns), (3, 3), 4)
    patterns: dict[int, Callable[[], Singles]] = {
        0: lambda: (np.sin(2 * math.pi * pitch * along) > 0).astype(np.float32),
        1: lambda: (np.floor(along * pitch * 1.5) + np.floor(across * pitch * 1.5)) % 2,
        2: lambda: (np.hypot(along * pitch % 1 - 0.5, across * pitch % 1 - 0.5) < 0.3).astype(
            np.float32
        ),
        3: lambda: (along - along.min()) / max(float(np.ptp(along)), 1e-6),
        4: lambda: wave,
        5: lambda: np.sin(2 * math.pi * (pitch * along + 2 * wave)) * 0.5 + 0.5,
    }
    amount = patterns[style]()
    other = np.asarray(varied(rng, pick(rng, _BRIGHT), 14))
    share = np.asarray(amount, np.float32)[:, :, None] * 0.85
    brush.colour = to_pixels(brush.colour * (1 - share) + other * share)


_MAKERS: dict[str, Callable[[np.random.Generator, Brush, float, float], None]] = {
    'crate': _crate, 'barrel': _barrel, 'tyre': _tyre, 'cone': _cone, 'sack': _sack,
    'pallet': _pallet, 'animal': _animal, 'blob': _blob, 'shard': _shard,
    'furniture': _furniture, 'ball': _ball, 'suitcase': _suitcase,
}  # fmt: skip
