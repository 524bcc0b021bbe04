# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Vehicles that drive or are parked, and the unknown objects that lie about."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from anomaly_seg_ros.synthetic import vehicles
from anomaly_seg_ros.synthetic.sprite import Sprite
from anomaly_seg_ros.synthetic.street import LANE, Side
from anomaly_seg_ros.synthetic.things import Driving, Lazy, Standing
from anomaly_seg_ros.synthetic.unknown import footprint, unknown
from anomaly_seg_ros.synthetic.vehicles import Vehicle
from anomaly_seg_ros.synthetic.world import VIEW, World, ego_side_free


def _model(
    make: Callable[[np.random.Generator], Vehicle], rng: Callable[[], np.random.Generator]
) -> Lazy[Vehicle]:
    return Lazy(lambda: make(rng()))


class Garage:
    """The vehicles of a clip; each model is built when it is first seen."""

    def __init__(self, world: World) -> None:
        def lot(key: int, make: Callable[[np.random.Generator], Vehicle], count: int,
                ) -> list[Lazy[Vehicle]]:  # fmt: skip
            return [_model(make, world.generator(key, i)) for i in range(count)]

        self.cars = lot(20, vehicles.car, 14)
        self.trucks = lot(21, vehicles.truck, 3)
        self.buses = lot(22, vehicles.bus, 3)
        self.trams = lot(23, vehicles.tram, 2)

    def any(self, rng: np.random.Generator) -> Lazy[Vehicle]:
        """Return a car, or now and then something larger."""
        draw = rng.random()
        lot = self.trucks if draw < 0.12 else self.buses if draw < 0.22 else self.cars
        return lot[int(rng.integers(len(lot)))]


def place_unknown(world: World, rng: np.random.Generator) -> None:
    """Scatter the unknown objects so that each can be seen in at least one frame.

    With dozens of objects, or images so small that little is near enough, some may stay hidden.

    Half of them lie on the road, half beside it. Must come before all other things, which then
    keep out of the line of sight.
    """
    config, side = world.config, world.street.right
    duration = (config.frames - 1) / config.fps
    final = world.path.travelled(duration)
    on_road = ego_side_free(world, side)
    # Nearer than this, the foot of an object falls below the image.
    nearest = max(
        0.9 * world.path.focal * 1.5 / ((1 - world.path.horizon) * config.size.height), 4.0
    )
    for index in range(config.unknown_objects):
        kind = str(rng.choice(config.unknown_kinds))
        seed = int(rng.integers(2**31))
        width, height = footprint(kind, seed)
        farthest = min(42.0, world.lead_gap - 3, world.path.focal * min(width, height) / 6)
        for attempt in range(80):
            time = float(rng.integers(config.frames)) / config.fps
            x = _somewhere(world, rng, on_road, width, beside=(index + attempt // 10) % 2 == 1)
            least = max(nearest, (abs(x - world.lane) + width / 2) / 0.36)
            distance = least + (max(farthest - least, 0)) * float(rng.random()) ** 1.3
            z = world.path.travelled(time) + distance
            in_the_way = abs(x - world.lane) < 1.1 + width / 2 and z < final + 6
            if (
                least <= max(farthest, nearest)
                and not in_the_way
                and not world.hides_unknown(x, width / 2, z - 1, z + 1)
                and not world.hidden_by_unknown(x, z, width, time)
            ):
                break
        sun, mirrored = world.air.sun_side, bool(rng.random() < 0.5)
        thing = Standing(
            x,
            z,
            0,
            0,
            (_picture(kind, seed, sun),),
            (world.instance(),),
            width,
            height,
            mirrored=mirrored,
        )
        world.unknown.append((thing, time))
        world.add(thing)


def _picture(kind: str, seed: int, sun_side: float) -> Lazy[Sprite]:
    return Lazy(lambda: unknown(kind, seed, sun_side).sprite)


def _somewhere(
    world: World,
    rng: np.random.Generator,
    on_road: tuple[float, float],
    width: float,
    beside: bool,
) -> float:
    if not beside:
        low, high = on_road[0] + width / 2, on_road[1] - width / 2
        return float(rng.uniform(min(low, high), max(low, high)))
    side = world.street.sides[int(rng.random() < 0.7)]
    return side.sign * float(
        rng.uniform(
            side.kerb + 0.3 + width / 2, max(side.walk - width / 2, side.kerb + 0.4 + width / 2)
        )
    )


def place_traffic(world: World, rng: np.random.Generator) -> None:
    """Put vehicles into the lanes and along the kerbs."""
    garage = Garage(world)
    density = world.config.traffic
    if density == 0:
        return
    duration = world.config.frames / world.config.fps
    left, right = world.street.sides
    tram = rng.random() < 0.22
    for lane in range(left.lanes):
        speed = -float(rng.uniform(6, 13))
        trams = tram and lane == 0
        _lane_traffic(world, garage, rng, left.lane_centre(lane), speed, duration, trams)
    ego = int(world.lane // LANE)
    if world.lead_gap < 44:
        start, x = world.lead_gap, right.lane_centre(ego)
        vehicle = garage.any(rng)
        world.add(Driving(x, start, world.path.speed or 1e-9, 6, vehicle, world.instance(), 0.0))
    for side in world.street.sides:
        if side.parking - side.lane_edge > 1.5:
            _parked(world, garage, side, rng)


def _lane_traffic(
    world: World,
    garage: Garage,
    rng: np.random.Generator,
    x: float,
    speed: float,
    duration: float,
    trams: bool,
) -> None:
    z = float(rng.uniform(6, 40))
    # Those that come towards us must start as far away as they drive during the clip.
    end = world.length + abs(speed) * duration
    while z < end:
        vehicle = garage.trams[0] if trams and rng.random() < 0.5 else garage.any(rng)
        heading = math.pi if speed < 0 else 0.0
        reach = 14.0 if vehicle in garage.trams else 6.0
        if not world.hides_unknown(x, 1.2, z - reach, z + reach, speed):
            world.add(Driving(x, z, speed, reach, vehicle, world.instance(), heading))
        z += 2 * reach + float(rng.exponential(22)) / world.config.traffic + 4


def _parked(world: World, garage: Garage, side: Side, rng: np.random.Generator) -> None:
    share = min(float(rng.uniform(0.25, 0.85)) * world.config.traffic, 0.97)
    x = side.sign * (side.lane_edge + 1.12)
    for z in np.arange(-10.0, world.length, 5.9):
        at = float(z + rng.normal(0, 0.25))
        vehicle = garage.cars[int(rng.integers(len(garage.cars)))]
        turned = float(rng.normal(0, 0.015)) + (math.pi if rng.random() < 0.25 else 0)
        heading = turned if side.sign > 0 else turned + math.pi
        if rng.random() < share and not world.hides_unknown(x, 1.0, at - 2.6, at + 2.6):
            world.add(Driving(x, at, 0, 2.8, vehicle, world.instance(), heading))


def visible_length(world_final: float) -> float:
    """Return the metres of street that a clip which ends at `world_final` can see."""
    return world_final + VIEW + 5
