# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cars, vans, trucks, buses and trams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_seg_ros.synthetic import labels
from anomaly_seg_ros.synthetic.arrays import Colour, mix, pick, scaled, varied
from anomaly_seg_ros.synthetic.mesh import Corner, Mesh, MeshBuilder

_PAINT: tuple[Colour, ...] = (
    (30, 32, 36), (58, 60, 64), (128, 132, 136), (176, 180, 184), (226, 228, 228), (44, 62, 104),
    (132, 30, 34), (84, 96, 110), (108, 100, 84), (38, 70, 60), (180, 60, 40), (210, 212, 214),
)  # fmt: skip
_LOADS: tuple[Colour, ...] = (
    (214, 214, 210), (200, 176, 60), (70, 96, 140), (150, 44, 40), (90, 120, 90),
)  # fmt: skip
_GLASS: Colour = (34, 40, 46)
_TYRE: Colour = (24, 24, 26)
_RIM: Colour = (128, 130, 132)
_TAIL: Colour = (176, 26, 26)
_LAMP: Colour = (232, 232, 218)


@dataclass(frozen=True)
class Vehicle:
    """A body with its class and its extent in metres."""

    mesh: Mesh
    label: int
    width: float
    length: float
    height: float


def car(rng: np.random.Generator) -> Vehicle:
    """Return a hatchback, saloon, estate or van."""
    kind = str(rng.choice(('hatchback', 'saloon', 'estate', 'suv', 'van')))
    long, tall, nose, rear, glass_rear = {
        # length, height, bonnet share, boot share, how far the rear window leans
        'hatchback': (4.0, 1.48, 0.26, 0.05, 0.09),
        'saloon': (4.6, 1.44, 0.27, 0.17, 0.13),
        'estate': (4.6, 1.50, 0.26, 0.03, 0.07),
        'suv': (4.5, 1.70, 0.25, 0.03, 0.06),
        'van': (5.2, 2.20, 0.17, 0.01, 0.02),
    }[kind]
    length, height = long * float(rng.uniform(0.94, 1.06)), tall * float(rng.uniform(0.97, 1.04))
    half, paint = float(rng.uniform(0.86, 0.94)), varied(rng, pick(rng, _PAINT), 8)
    belt, sill = height * 0.60, 0.24
    front, back = length / 2, -length / 2
    screen_foot, roof_front = front - nose * length, front - (nose + 0.16) * length
    if kind == 'van':
        screen_foot, roof_front, belt = front - 0.14 * length, front - 0.26 * length, height * 0.52
    boot, roof_rear = back + rear * length, back + (rear + glass_rear) * length
    top = half * 0.80 if kind != 'van' else half * 0.93
    bumper = 0.48 * belt + 0.12
    # The outline from the front bumper over the roof to the rear bumper: z, y, half width.
    outline = [
        (front - 0.08, sill, half * 0.97), (front, bumper, half * 0.97),
        (front - 0.12, belt * 0.86, half * 0.97), (screen_foot, belt, half * 0.97),
        (roof_front, height * 0.985, top), ((roof_front + roof_rear) / 2, height, top),
        (roof_rear, height * 0.975, top), (boot, belt * 1.02, half * 0.97),
        (back + 0.04, belt * 0.97, half * 0.97), (back, bumper, half * 0.97),
        (back + 0.06, sill, half * 0.97),
    ]  # fmt: skip
    builder = MeshBuilder()
    _underside(builder, half, front, back)
    for index in range(len(outline) - 1):
        (z0, y0, w0), (z1, y1, w1) = outline[index], outline[index + 1]
        corners = [(-w0, y0, z0), (w0, y0, z0), (w1, y1, z1), (-w1, y1, z1)]
        builder.panel(corners, (0, y0 + y1 - 1.0, z0 + z1), paint)
        _car_end_details(builder, index, corners, paint)
    body = [(z, y) for z, y, _ in (*outline[:4], *outline[7:])]
    cabin = [outline[i] for i in (3, 4, 5, 6, 7)]
    for side in (-1.0, 1.0):
        x = side * half
        builder.panel([(x * 0.97, y, z) for z, y in body], (side, 0.0, 0), paint)
        builder.detail([(x, sill, front - 0.3), (x, sill, back + 0.3),
                        (x, sill + 0.12, back + 0.2), (x, sill + 0.12, front - 0.2)],
                       scaled(paint, 0.45))  # fmt: skip
        builder.detail([(x, belt * 0.93, screen_foot), (x, belt * 0.93, boot),
                        (x, belt * 0.97, boot), (x, belt * 0.97, screen_foot)],
                       mix(paint, (255, 255, 255), 0.22))  # fmt: skip
        for seam in (screen_foot - 0.1, (screen_foot + boot) / 2):
            builder.detail([(x, sill, seam), (x, belt, seam), (x, belt, seam + 0.03),
                            (x, sill, seam + 0.03)], scaled(paint, 0.55))  # fmt: skip
        for wheel in (front - 0.19 * length, back + 0.19 * length):
            builder.detail(builder.disc(x * 1.0, 0.35, wheel, 0.39), scaled(paint, 0.25))
        builder.panel([(side * w, y, z) for z, y, w in cabin], (side, 0.3, 0), scaled(paint, 0.9))
        _side_windows(builder, side, cabin)
        for wheel in (front - 0.19 * length, back + 0.19 * length):
            _wheel(builder, x * 1.01, wheel, 0.33, side)
    return Vehicle(builder.finish(), labels.CAR, 2 * half, length, height)


def _underside(builder: MeshBuilder, half: float, front: float, back: float) -> None:
    w = half * 0.86
    for z, out in ((front - 0.5, 1.0), (back + 0.4, -1.0)):
        builder.panel([(-w, 0.13, z), (w, 0.13, z), (w, 0.4, z), (-w, 0.4, z)], (0, 0, out), _TYRE)
        for x in (-w, w):
            inner = x * 0.72
            builder.detail([(inner, 0, z), (x, 0, z), (x, 0.4, z), (inner, 0.4, z)], _TYRE)


def _wheel(builder: MeshBuilder, x: float, z: float, radius: float, side: float) -> None:
    builder.panel(builder.disc(x, radius, z, radius), (side, 0, 0), _TYRE, outermost=True)
    builder.detail(builder.disc(x, radius, z, radius * 0.62), _RIM)
    builder.detail(builder.disc(x, radius, z, radius * 0.22), scaled(_RIM, 0.5))


def _inset(corners: list[Corner], left: float, right: float, low: float, high: float,
           ) -> list[Corner]:  # fmt: skip
    """Return a part of a quad; corners are left low, right low, right high, left high."""
    a, b, c, d = (np.array(corner) for corner in corners)

    def at(u: float, v: float) -> Corner:
        point = (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v
        return (float(point[0]), float(point[1]), float(point[2]))

    return [at(left, low), at(right, low), at(right, high), at(left, high)]


def _car_end_details(
    builder: MeshBuilder, index: int, corners: list[Corner], paint: Colour
) -> None:
    if index == 0:
        builder.detail(_inset(corners, 0, 1, 0, 0.35), (40, 40, 42))
        builder.detail(_inset(corners, 0.36, 0.64, 0.4, 0.85), (222, 222, 214))
    elif index == 1:
        builder.detail(_inset(corners, 0.28, 0.72, 0.1, 0.6), (32, 32, 34))
        for left in (0.02, 0.76):
            builder.detail(_inset(corners, left, left + 0.22, 0.35, 0.9), _LAMP, True)
    elif index == 2:
        builder.detail(_inset(corners, 0.2, 0.8, 0.1, 0.95), mix(paint, (235, 240, 245), 0.12))
    elif index in (3, 6):
        # The outline runs over the roof, so a rear window starts at the top.
        low, high = (0.06, 0.94) if index == 3 else (0.08, 0.9)
        builder.detail(_inset(corners, 0.06, 0.94, low, high), _GLASS)
        builder.detail(_inset(corners, 0.12, 0.45, low, high), mix(_GLASS, (170, 190, 205), 0.28))
    elif index == 8:
        for left in (0.01, 0.77):
            builder.detail(_inset(corners, left, left + 0.22, 0.05, 0.6), _TAIL)
            builder.detail(_inset(corners, left + 0.05, left + 0.16, 0.4, 0.55), (230, 150, 110))
        builder.detail(_inset(corners, 0.34, 0.66, 0.35, 0.75), (222, 222, 214))
    elif index == 9:
        builder.detail(_inset(corners, 0, 1, 0.55, 1), (44, 44, 46))


def _side_windows(
    builder: MeshBuilder,
    side: float,
    cabin: list[tuple[float, float, float]],
) -> None:
    (z0, y0, w0), (z1, y1, w1), _, (z3, _, _), (z4, _, _) = cabin
    shift = 0.07
    lower, upper = y0 + 0.06, y1 - 0.09
    share = (upper - y0) / max(y1 - y0, 1e-6)
    top_front, top_rear = z0 + (z1 - z0) * share - 0.12, z4 + (z3 - z4) * share + 0.12
    w_low, w_high = side * (w0 + 0.002), side * (w0 + (w1 - w0) * share + 0.004)
    middle = (z1 + z3) / 2
    for front, front_top, rear, rear_top in (
        (z0 - 0.22, top_front, middle + shift, middle + shift),
        (middle - shift, middle - shift, z4 + 0.25, top_rear),
    ):
        corners = [(w_low, lower, front), (w_low, lower, rear), (w_high, upper, rear_top),
                   (w_high, upper, front_top)]  # fmt: skip
        builder.detail(corners, _GLASS)
        builder.detail(_inset(corners, 0.1, 0.5, 0.5, 1), mix(_GLASS, (170, 190, 205), 0.3))


def truck(rng: np.random.Generator) -> Vehicle:
    """Return a truck with a cab and a box or tarpaulin body."""
    length, height, half = float(rng.uniform(6.5, 10)), float(rng.uniform(3.0, 3.8)), 1.22
    paint, load = varied(rng, pick(rng, _PAINT), 8), varied(rng, pick(rng, _LOADS), 10)
    front, back = length / 2, -length / 2
    builder = MeshBuilder()
    cab = front - 2.0
    builder.box((-half * 0.9, 0.5, back + 0.2), (half * 0.9, 0.95, front - 0.2), (46, 46, 50))
    builder.box((-half, 0.95, back), (half, height, cab - 0.15), load, scaled(load, 1.1))
    stripe, dark = mix(load, (255, 255, 255), 0.5), scaled(load, 0.7)
    _side_bands(builder, half, back, cab - 0.15, ((1.7, 2.3, stripe), (0.95, 1.05, dark)))
    _back_door(builder, half, back, 0.95, height, load)
    builder.box((-half, 0.5, cab), (half, height * 0.86, front), paint, scaled(paint, 1.1))
    _cab_glass(builder, half, cab, front, height * 0.86)
    for z in (front - 1.1, back + 1.2, back + 2.3):
        for side in (-1.0, 1.0):
            _wheel(builder, side * half * 1.01, z, 0.5, side)
    return Vehicle(builder.finish(), labels.TRUCK, 2 * half, length, height)


def _back_door(
    builder: MeshBuilder, half: float, z: float, low: float, high: float, colour: Colour
) -> None:
    face: list[Corner] = [(-half, low, z - 0.01), (half, low, z - 0.01), (half, high, z - 0.01),
                          (-half, high, z - 0.01)]  # fmt: skip
    builder.panel(face, (0, 0, -1), colour)
    builder.detail(_inset(face, 0.49, 0.51, 0.05, 0.95), scaled(colour, 0.5))
    for left in (0.2, 0.78):
        builder.detail(_inset(face, left, left + 0.02, 0.05, 0.95), scaled(colour, 0.65))
    builder.detail(_inset(face, 0, 1, 0, 0.04), (60, 60, 62))
    builder.panel([(-half, 0.5, z), (half, 0.5, z), (half, low, z), (-half, low, z)], (0, 0, -1),
                  (40, 40, 42))  # fmt: skip
    for x in (-half * 0.95, half * 0.65):
        builder.detail([(x, 0.62, z), (x + 0.36, 0.62, z), (x + 0.36, 0.8, z), (x, 0.8, z)], _TAIL)
    builder.detail([(-0.3, 0.6, z), (0.3, 0.6, z), (0.3, 0.75, z), (-0.3, 0.75, z)],
                   (222, 222, 214))  # fmt: skip


def _cab_glass(builder: MeshBuilder, half: float, cab: float, front: float, top: float) -> None:
    z = front + 0.01
    face: list[Corner] = [(-half, 0.5, z), (half, 0.5, z), (half, top, z), (-half, top, z)]
    builder.panel(face, (0, 0, 1), (60, 62, 66))
    builder.detail(_inset(face, 0.05, 0.95, 0.5, 0.93), _GLASS)
    builder.detail(_inset(face, 0.1, 0.4, 0.55, 0.93), mix(_GLASS, (170, 190, 205), 0.3))
    for left in (0.04, 0.8):
        builder.detail(_inset(face, left, left + 0.16, 0.1, 0.2), _LAMP, True)
    builder.detail(_inset(face, 0.36, 0.64, 0.04, 0.11), (222, 222, 214))
    for side in (-1.0, 1.0):
        x = side * (half + 0.01)
        low, high = 0.5 + (top - 0.5) * 0.5, top - 0.2
        builder.panel([(x, low, cab + 0.7), (x, low, front - 0.15), (x, high, front - 0.3),
                       (x, high, cab + 0.7)], (side, 0, 0), _GLASS)  # fmt: skip


def _side_bands(
    builder: MeshBuilder,
    half: float,
    back: float,
    front: float,
    bands: tuple[tuple[float, float, Colour], ...],
) -> None:
    for side in (-1.0, 1.0):
        x = side * (half + 0.005)
        for index, (low, high, colour) in enumerate(bands):
            corners: list[Corner] = [(x, low, back), (x, low, front), (x, high, front),
                                     (x, high, back)]  # fmt: skip
            if index == 0:
                builder.panel(corners, (side, 0, 0), colour)
            else:
                builder.detail(corners, colour)


def bus(rng: np.random.Generator) -> Vehicle:
    """Return a city bus."""
    length = float(rng.uniform(9, 12))
    paint = varied(rng, pick(rng, ((222, 190, 60), (190, 40, 40), (226, 226, 222), (60, 110, 90),
                                   (70, 100, 160))), 8)  # fmt: skip
    return _coach(rng, labels.BUS, length, 3.0, 1.25, paint)


def tram(rng: np.random.Generator) -> Vehicle:
    """Return a tram, Cityscapes' class train."""
    liveries: tuple[Colour, ...] = ((206, 52, 44), (234, 214, 90), (220, 222, 224), (60, 130, 90))
    paint = varied(rng, pick(rng, liveries), 8)
    return _coach(rng, labels.TRAIN, float(rng.uniform(18, 28)), 3.5, 1.2, paint)


def _coach(
    rng: np.random.Generator,
    label: int,
    length: float,
    height: float,
    half: float,
    paint: Colour,
) -> Vehicle:
    front, back = length / 2, -length / 2
    builder = MeshBuilder()
    builder.box((-half * 0.9, 0.15, back + 0.3), (half * 0.9, 0.5, front - 0.3), (40, 40, 42))
    builder.box(
        (-half, 0.32, back), (half, height, front), paint, mix(paint, (220, 222, 224), 0.6)
    )
    skirt, second = (
        scaled(paint, 0.55),
        mix(paint, (240, 240, 238), float(rng.choice((0.15, 0.8)))),
    )
    low, high = 0.46 * height, 0.82 * height
    for side in (-1.0, 1.0):
        x = side * (half + 0.005)

        def strip(z0: float, z1: float, y0: float, y1: float, x: float = x) -> list[Corner]:
            return [(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)]

        builder.panel(strip(back, front, 0.32, height), (side, 0, 0), paint)
        builder.detail(strip(back, front, 0.32, 0.6), skirt)
        builder.detail(strip(back, front, 0.62, low - 0.15), second)
        builder.detail(strip(back + 0.3, front - 0.1, low, high), _GLASS)
        builder.detail(strip(back + 0.3, front - 0.1, low + 0.6 * (high - low), high),
                       mix(_GLASS, (170, 190, 205), 0.25))  # fmt: skip
        for z in np.arange(back + 1.6, front - 0.5, 1.5):
            builder.detail(strip(float(z), float(z) + 0.12, low, high), scaled(paint, 0.8))
        for door in (front - 1.9, back + length * 0.45):
            builder.detail(strip(door, door + 1.2, 0.4, high), (54, 60, 66))
            builder.detail(strip(door + 0.56, door + 0.64, 0.4, high), scaled(paint, 0.8))
        if label == labels.TRAIN:
            builder.detail(strip(back + length / 2 - 0.3, back + length / 2 + 0.3, 0.32, height),
                           (52, 52, 54))  # fmt: skip
        for wheel in (back + 2.2, front - 2.6):
            builder.detail(builder.disc(x, 0.5, wheel, 0.55), scaled(paint, 0.25))
            _wheel(builder, side * (half + 0.01), wheel, 0.48, side)
    for z, out in ((back - 0.01, -1.0), (front + 0.01, 1.0)):
        face: list[Corner] = [(-half, 0.32, z), (half, 0.32, z), (half, height, z),
                              (-half, height, z)]  # fmt: skip
        builder.panel(face, (0, 0, out), paint)
        builder.detail(_inset(face, 0, 1, 0, 0.12), skirt)
        builder.detail(_inset(face, 0.06, 0.94, 0.42, 0.84), _GLASS)
        builder.detail(_inset(face, 0.1, 0.42, 0.48, 0.84), mix(_GLASS, (170, 190, 205), 0.3))
        builder.detail(_inset(face, 0.25, 0.75, 0.88, 0.97), (40, 42, 40))
        builder.detail(_inset(face, 0.35, 0.65, 0.90, 0.95), (240, 176, 60), True)
        for left in (0.04, 0.82):
            builder.detail(_inset(face, left, left + 0.14, 0.16, 0.26),
                           _LAMP if out > 0 else _TAIL, out > 0)  # fmt: skip
        builder.detail(_inset(face, 0.4, 0.6, 0.13, 0.2), (222, 222, 214))
    return Vehicle(builder.finish(), label, 2 * half, length, height)
