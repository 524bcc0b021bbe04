# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where things go: frontage, trees, poles, people and marks along both sides of a street."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anomaly_seg_ros.synthetic import buildings, furniture, labels, people, vegetation
from anomaly_seg_ros.synthetic.arrays import Colour
from anomaly_seg_ros.synthetic.buildings import Facade
from anomaly_seg_ros.synthetic.ground import Mark
from anomaly_seg_ros.synthetic.sprite import Sprite
from anomaly_seg_ros.synthetic.street import LANE, Side
from anomaly_seg_ros.synthetic.things import Barrier, Building, Lazy, Standing
from anomaly_seg_ros.synthetic.world import World

Pictures = tuple[Lazy[Sprite], ...]

_PAINT: Colour = (212, 211, 205)
_START = -15.0


def place_frontage(world: World, side: Side, rng: np.random.Generator) -> None:
    """Line one side with houses, garden walls, fences and green gaps."""
    houses = [
        Facade(
            int(rng.integers(2**31)), float(rng.uniform(9, 20)), float(rng.uniform(6.5, 19)), 11.0
        )
        for _ in range(7)
    ]
    pictures = [(Lazy(f.street_side), Lazy(f.gable_side)) for f in houses]
    trees = [_tree(world, i) for i in range(5)]
    bushes = [_bush(world, i) for i in range(4)]
    dense = float(rng.uniform(0.35, 0.9))
    z = _START
    hidden = (0.0, 0.0)
    while z < world.length:
        if rng.random() < dense:
            index = int(rng.integers(len(houses)))
            half = houses[index].width / 2
            x = side.sign * (side.front + float(rng.choice((0.0, 0.0, 1.2))))
            gable = houses[index].height > hidden[1] or abs(x) < hidden[0]
            world.add(Building(x, z + half, 0, half, houses[index], pictures[index], gable))
            gap = float(rng.choice((0.0, 3.0), p=(0.75, 0.25)))
            # Up to this height a neighbour further on is hidden, unless it stands forward.
            hidden = (abs(x), houses[index].height) if gap == 0 else (0.0, 0.0)
            z += 2 * half + gap
            continue
        hidden = (0.0, 0.0)
        span = float(rng.uniform(8, 24))
        _barrier(world, side, z, span, rng)
        for at in np.arange(z + 1, z + span, 6.0):
            x = side.sign * (side.front + float(rng.uniform(2, 9)))
            _stand(world, trees[int(rng.integers(5))], x, float(at), rng, (0.8, 1.3))
        for at in np.arange(z + 0.5, z + span, 3.6):
            if rng.random() < 0.6:
                x = side.sign * (side.front + float(rng.uniform(0.6, 2.5)))
                _stand(
                    world, bushes[int(rng.integers(4))], x, float(at), rng, (0.8, 1.5), (2.0, 1.6)
                )
        z += span


def _barrier(world: World, side: Side, z: float, span: float, rng: np.random.Generator) -> None:
    kind, seed = float(rng.random()), int(rng.integers(2**31))
    make, label, height = (
        (buildings.garden_wall, labels.WALL, float(rng.uniform(1.1, 2.4)))
        if kind < 0.4
        else (buildings.fence, labels.FENCE, float(rng.uniform(1.0, 1.9)))
    )
    if kind < 0.8:
        texture = Lazy(lambda: make(np.random.default_rng(seed), span, height))
        x = side.sign * (side.front - 0.1)
        world.add(Barrier(x, z + span / 2, 0, span / 2, texture, height, label))


def _tree(world: World, index: int) -> Pictures:
    return (world.shared((1, index), lambda rng: vegetation.tree(rng, world.air.sun_side)),)


def _bush(world: World, index: int) -> Pictures:
    return (world.shared((2, index), lambda rng: vegetation.bush(rng, world.air.sun_side)),)


def _stand(
    world: World,
    sprites: Pictures,
    x: float,
    z: float,
    rng: np.random.Generator,
    zoom: tuple[float, float] = (1.0, 1.0),
    size: tuple[float, float] = (3.0, 5.0),
    half_width: float = 0.3,
) -> None:
    scale, mirrored = float(rng.uniform(*zoom)), bool(rng.random() < 0.5)
    if not world.hides_unknown(x, half_width, z - 0.2, z + 0.2):
        world.add(Standing(x, z, 0, 0, sprites, (0, 0), *size, mirrored=mirrored, zoom=scale))


def place_greenery(world: World, side: Side, rng: np.random.Generator) -> None:
    """Put trees on the verge and bushes into front gardens."""
    trees = [_tree(world, i) for i in range(5)]
    bushes = [_bush(world, i) for i in range(4)]
    alley = rng.random() < 0.6
    strip = side.verge - side.kerb - 0.15
    if alley:
        x = side.kerb + 0.15 + strip / 2 if strip > 0.8 else side.walk - 0.5
        for z in np.arange(_START, world.length, float(rng.uniform(8, 14))):
            if rng.random() < 0.8:
                at = float(z + rng.normal(0, 0.8))
                _stand(world, trees[int(rng.integers(5))], side.sign * x, at, rng, (0.7, 1.1))
    if side.front - side.walk > 1.2:
        for z in np.arange(_START, world.length, 5.0):
            if rng.random() < 0.55:
                x = side.sign * float(rng.uniform(side.walk + 0.4, side.front - 0.3))
                at = float(z + rng.uniform(0, 2))
                _stand(
                    world, bushes[int(rng.integers(4))], x, at, rng, (0.6, 1.1), (1.5, 1.2), 0.9
                )


def place_furniture(world: World, side: Side, rng: np.random.Generator) -> None:
    """Put lamps, signs, traffic lights and bollards along the kerb."""
    kerb = side.sign * (side.kerb + 0.45)
    lamps = [_single(world, furniture.lamp_post, (3, i)) for i in range(2)]
    signs = [_single(world, furniture.traffic_sign, (4, i)) for i in range(6)]
    lights = [_single(world, furniture.traffic_light, (5, i)) for i in range(3)]
    posts = _single(world, furniture.bollard, (6, 0))
    lamp = lamps[int(rng.integers(2))]
    for z in np.arange(_START + rng.uniform(0, 20), world.length, float(rng.uniform(20, 32))):
        _fixture(world, lamp, kerb, float(z), side.sign < 0, (0.3, 6.0))
    for z in np.arange(_START, world.length, 14.0):
        if rng.random() < 0.6:
            at = float(z + rng.uniform(0, 12))
            _fixture(world, signs[int(rng.integers(6))], kerb * 1.02, at, False, (0.5, 2.6))
    for z in _crossings(world):
        for x in (kerb, side.sign * (side.kerb + 0.8)):
            if rng.random() < 0.7:
                at = z - 1.0 if side.sign > 0 else z + 5.0
                light = lights[int(rng.integers(3))]
                _fixture(world, light, x, at + float(rng.normal(0, 0.2)), False, (0.3, 3.2))
    if rng.random() < 0.35:
        start = float(rng.uniform(0, world.length * 0.7))
        for z in np.arange(start, start + 40, 1.8):
            _fixture(world, posts, kerb, float(z), False, (0.25, 0.9))


def _single(
    world: World, make: Callable[[np.random.Generator], Sprite], key: tuple[int, ...]
) -> Pictures:
    return (world.shared(key, make),)


def _fixture(
    world: World,
    sprites: Pictures,
    x: float,
    z: float,
    mirrored: bool,
    size: tuple[float, float],
) -> None:
    if not world.hides_unknown(x, 0.15, z - 0.1, z + 0.1):
        world.add(Standing(x, z, 0, 0, sprites, (0, 0), *size, mirrored=mirrored))


def _crossings(world: World) -> list[float]:
    """Return where zebra crossings begin."""
    rng = world.generator(7)()
    return [float(z) for z in np.arange(rng.uniform(18, 60), world.length, rng.uniform(55, 110))]


def place_people(world: World, side: Side, rng: np.random.Generator) -> None:
    """Put people on the sidewalk and on crossings, and riders on the edge of the road."""
    amount = world.config.people
    walkers = [_stride(world, (8, i), False) for i in range(8)]
    strollers = [_stride(world, (9, i), True) for i in range(8)]
    for z in np.arange(_START, world.length, 4.0):
        if rng.random() < 0.26 * amount:
            x = side.sign * float(rng.uniform(side.verge + 0.4, side.walk - 0.3))
            at, towards = float(z + rng.uniform(0, 4)), bool(rng.random() < 0.5)
            speed = float(rng.uniform(0.8, 1.6)) * (-1 if towards else 1)
            if not world.hides_unknown(x, 0.35, at - 0.3, at + 0.3, speed):
                group = walkers if rng.random() < 0.8 else strollers
                speed = speed if group is walkers else 0.0
                world.add(Standing(x, at, speed, 0, group[int(rng.integers(8))],
                                   (world.instance(),), 0.6, 1.75, mirrored=towards))  # fmt: skip
    for z in _crossings(world):
        if rng.random() < 0.45 * amount:
            x = float(rng.uniform(-1, 1)) * side.verge
            at = z + float(rng.uniform(0.6, 3.4))
            if not world.hides_unknown(x, 0.4, at - 0.2, at + 0.2):
                pace = float(rng.uniform(0.9, 1.5))
                world.add(Standing(x, at, 0, 0, strollers[int(rng.integers(8))],
                                   (world.instance(),), 0.6, 1.75, slide=pace,
                                   span=side.verge + 0.8))  # fmt: skip
    _place_riders(world, side, rng)


def _stride(world: World, key: tuple[int, ...], sideways: bool) -> Pictures:
    def picture(phase: int) -> Lazy[Sprite]:
        return world.shared(
            (*key, phase),
            lambda rng: people.walker(rng, world.air.sun_side, sideways, phase),
        )

    return tuple(picture(phase) for phase in range(people.PHASES))


def _place_riders(world: World, side: Side, rng: np.random.Generator) -> None:
    amount = world.config.people
    makers = (people.cyclist, people.motorcyclist)
    x = side.sign * (side.lane_edge - 0.45)
    for index, z in enumerate(np.arange(8.0, world.length, 16.0)):
        if rng.random() >= 0.30 * amount:
            continue
        make = makers[int(rng.random() < 0.38)]
        crossing = rng.random() < 0.25
        picture = (_rider(world, make, crossing, index % 6),)
        at, pace = float(z + rng.uniform(0, 12)), float(rng.uniform(3, 6))
        instances = (world.instance(), world.instance())
        if crossing:
            # Riders who wait or cross at right angles show their side.
            x_start = side.sign * float(rng.uniform(side.verge + 0.3, side.walk))
            if not world.hides_unknown(x_start, 0.9, at - 0.3, at + 0.3):
                world.add(Standing(x_start, at, 0, 0, picture, instances, 1.6, 1.7,
                                   mirrored=bool(rng.random() < 0.5)))  # fmt: skip
        elif not world.hides_unknown(x, 0.4, at - 0.5, at + 0.5, side.sign * pace):
            world.add(Standing(x, at, side.sign * pace, 0, picture, instances, 0.7, 1.7))


def _rider(
    world: World,
    make: Callable[[np.random.Generator, float, bool], Sprite],
    sideways: bool,
    look: int,
) -> Lazy[Sprite]:
    kind = 10 + 2 * int(make is people.motorcyclist) + int(sideways)
    return world.shared((kind, look), lambda rng: make(rng, world.air.sun_side, sideways))


def paint_road(world: World, rng: np.random.Generator) -> None:
    """Paint lane marks, crossings and patches."""
    dash, gap = (float(v) for v in rng.choice(((3, 6), (4, 4), (6, 9))))
    solid = rng.random() < 0.3
    for side in world.street.sides:
        for lane in range(1, side.lanes):
            _dashes(world, side.sign * lane * LANE, dash, gap, 0.12)
        if rng.random() < 0.5:
            _dashes(world, side.sign * (side.lane_edge - 0.1), 12.0, 0.0, 0.12)
    if solid:
        for x in (-0.14, 0.14):
            _dashes(world, x, 12.0, 0.0, 0.11)
    else:
        _dashes(world, 0.0, dash, gap, 0.13)
    left, right = world.street.left.kerb, world.street.right.kerb
    for z in _crossings(world):
        for x in np.arange(-left + 0.4, right - 0.5, 1.0):
            world.marks.append(_rectangle(float(x), float(x) + 0.5, z, z + 4, _PAINT))
        world.marks.append(_rectangle(0.1, right - 0.1, z - 2, z - 1.6, _PAINT))
    for z in np.arange(_START, world.length, 9.0):
        at, x = float(z + rng.uniform(0, 8)), float(rng.uniform(-left, right - 1.5))
        draw = rng.random()
        if draw < 0.3:
            tone = 82.0 if rng.random() < 0.6 else 106.0
            wide, deep = float(rng.uniform(0.8, 3)), float(rng.uniform(1, 7))
            right_edge = min(x + wide, right)
            world.marks.insert(0, _rectangle(x, right_edge, at, at + deep, (tone, tone, tone)))
        elif draw < 0.6:
            angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            disc = np.stack([x + 0.7 + 0.33 * np.cos(angles), at + 0.33 * np.sin(angles)], 1)
            world.marks.append(Mark(disc, (66, 64, 64)))
            world.marks.append(Mark((disc - disc.mean(0)) * 0.8 + disc.mean(0), (86, 83, 82)))
    for side in world.street.sides:
        _driveways(world, side, rng)


def _driveways(world: World, side: Side, rng: np.random.Generator) -> None:
    """Cut the verge with paved ways to the houses."""
    if side.verge - side.kerb < 0.6:
        return
    for z in np.arange(_START, world.length, 24.0):
        at = float(z + rng.uniform(0, 16))
        inner, outer = side.sign * (side.kerb + 0.1), side.sign * (side.verge + 0.05)
        mark = _rectangle(inner, outer, at, at + float(rng.uniform(2.5, 5)), (140, 136, 130))
        world.marks.append(Mark(mark.points, mark.colour, labels.SIDEWALK))


def _dashes(world: World, x: float, dash: float, gap: float, width: float) -> None:
    for z in np.arange(_START, world.length, dash + gap):
        near, far = float(z), float(z + dash)
        world.marks.append(_rectangle(x - width / 2, x + width / 2, near, far, _PAINT))


def _rectangle(left: float, right: float, near: float, far: float, colour: Colour) -> Mark:
    # Long pieces follow the road's bend.
    z = np.linspace(near, far, max(round((far - near) / 6) + 1, 2))
    points = np.concatenate(
        [np.stack([np.full_like(z, left), z], 1), np.stack([np.full_like(z, right), z[::-1]], 1)]
    )
    return Mark(points, colour)
