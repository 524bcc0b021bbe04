# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Placed things: where each stands or drives, what shadow it throws and how it is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from anomaly_seg_ros.synthetic import labels
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.buildings import Facade
from anomaly_seg_ros.synthetic.camera import Camera
from anomaly_seg_ros.synthetic.canvas import Canvas
from anomaly_seg_ros.synthetic.shadows import Shadows
from anomaly_seg_ros.synthetic.sprite import Sprite
from anomaly_seg_ros.synthetic.vehicles import Vehicle
from anomaly_seg_ros.synthetic.walls import Texture, draw_wall

T = TypeVar('T')

_SMALL_VIEW = 95.0
"""Metres beyond which things lower than two metres are not drawn."""


class Lazy(Generic[T]):
    """Something that is made when it is first needed, then kept."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make: Callable[[], T] | None = make
        self._value: T | None = None

    def __call__(self) -> T:
        """Return it."""
        if self._make is not None:
            self._value, self._make = self._make(), None
        assert self._value is not None
        return self._value


@dataclass(frozen=True)
class View:
    """What a thing needs to draw itself."""

    canvas: Canvas
    camera: Camera
    air: Atmosphere
    time: float


@dataclass(frozen=True)
class Thing:
    """Something that stands on the ground.

    Args:
        x: Metres right of the centre line.
        z: Metres along the road at time 0.
        speed: Metres per second along the road.
        reach: Metres that it extends to each side along the road.
    """

    x: float
    z: float
    speed: float
    reach: float

    def z_at(self, time: float) -> float:
        """Return where it is along the road at `time` seconds."""
        return self.z + self.speed * time

    def distance(self, camera: Camera, time: float) -> float:
        """Return the painter's key; what has a smaller one hides what has a larger one.

        Sideways distance counts half: beside a parked car, the sidewalk lies behind it.
        """
        side = abs(self.x - camera.x)
        return self.z_at(time) - camera.z + 0.5 * side

    def shadow(self, shadows: Shadows, time: float) -> None:
        """Add its shadows."""

    def draw(self, view: View) -> None:
        """Draw it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Standing(Thing):
    """A sprite, or a stride of sprites; see `Thing`.

    Args:
        sprites: Makers of the pictures of one stride, or of a single one.
        instances: Instance number of each part of the sprite.
        width: Metres, for the shadow.
        height: Metres, for the shadow.
        stride: Metres for one round of the pictures.
        mirrored: Whether left and right are exchanged.
        zoom: Size relative to the sprite's own.
        slide: Metres per second sideways, to and fro between -span and span.
        span: Metres from the centre line where it turns around.
    """

    sprites: Sequence[Callable[[], Sprite]]
    instances: tuple[int, ...]
    width: float
    height: float
    stride: float = 1.4
    mirrored: bool = False
    zoom: float = 1.0
    slide: float = 0.0
    span: float = 0.0

    def x_at(self, time: float) -> float:
        """Return where it is sideways at `time` seconds."""
        return self._swing(time)[0]

    def _swing(self, time: float) -> tuple[float, bool]:
        if self.slide == 0:
            return self.x, False
        along = (self.x + self.span + self.slide * time) % (4 * self.span)
        back = along > 2 * self.span
        return (3 * self.span - along if back else along - self.span), back

    def shadow(self, shadows: Shadows, time: float) -> None:
        """Add a soft spot beneath and the sun's shadow."""
        x, z, half = self.x_at(time), self.z_at(time), self.width / 2
        shadows.cast(x, z, self.width * 0.5, 0.25, self.height)
        shadows.contact(x, z, half * 1.2, max(half * 0.8, 0.15), 0.55)

    def draw(self, view: View) -> None:
        """Draw the picture that fits the moment."""
        depth = self.z_at(view.time) - view.camera.z
        if depth > _SMALL_VIEW and self.height < 2:
            return
        if depth < 2.5 and abs(self.x_at(view.time) - view.camera.x) < 1.2:
            # The camera drives through whatever stands in its way rather than fill the image.
            return
        moved = math.hypot(self.speed, self.slide) * view.time + self.z
        index = int(moved / self.stride * len(self.sprites)) % len(self.sprites)
        sun = view.air.sun_direction
        shade = 0.45 - 0.3 * float(sun[2]) + 0.1 * float(sun[1])
        place = (self.x_at(view.time), 0.0, self.z_at(view.time))
        self.sprites[index]().draw(
            view.canvas, view.camera, view.air, place, self.instances, shade,
            self.mirrored != self._swing(view.time)[1], self.zoom,
        )  # fmt: skip


@dataclass(frozen=True)
class Driving(Thing):
    """A vehicle, parked or moving; see `Thing`."""

    vehicle: Callable[[], Vehicle]
    instance: int
    heading: float

    def shadow(self, shadows: Shadows, time: float) -> None:
        """Add the dark beneath and the sun's shadow."""
        body, z = self.vehicle(), self.z_at(time)
        shadows.cast(self.x, z, body.width, body.length, body.height * 0.9)
        shadows.contact(self.x, z, body.width * 0.66, body.length * 0.56, 0.78)
        shadows.contact(self.x, z, body.width * 0.5, body.length * 0.5, 0.6)

    def draw(self, view: View) -> None:
        """Draw the body."""
        body = self.vehicle()
        part = view.canvas.part(body.label, self.instance)
        place = (self.x, 0.0, self.z_at(view.time))
        body.mesh.draw(view.canvas, view.camera, view.air, place, self.heading, part)


@dataclass(frozen=True)
class Building(Thing):
    """A house along the street; z is its middle.

    Args:
        facade: Its measures.
        sides: Street side and gable side.
        gable: Whether the gable that faces the camera rises above or beside its neighbour.
    """

    facade: Facade
    sides: tuple[Callable[[], Texture], Callable[[], Texture]]
    gable: bool

    def distance(self, camera: Camera, time: float) -> float:
        """Return the key of its far end: everything in front of the wall is drawn after it."""
        return super().distance(camera, time) + self.reach

    def shadow(self, shadows: Shadows, time: float) -> None:  # noqa: ARG002
        """Add the sun's shadow."""
        sign = math.copysign(1, self.x)
        depth = self.facade.depth
        shadows.cast(self.x + sign * depth / 2, self.z, depth, 2 * self.reach, self.facade.height)

    def draw(self, view: View) -> None:
        """Draw the gable that faces the camera, then the street side."""
        sign = math.copysign(1, self.x)
        near, far = self.z - self.reach, self.z + self.reach
        part = (labels.BUILDING, 0)
        sun = view.air.sun_direction
        deep = self.x + sign * self.facade.depth
        ends = ((self.x, near), (deep, near)) if sign > 0 else ((deep, near), (self.x, near))
        gable = 0.25 + 0.75 * max(-float(sun[2]), 0)
        if self.gable and near > view.camera.z + 1:
            draw_wall(view.canvas, view.camera, view.air, self.sides[1](), ends,
                      self.facade.height, part, gable)  # fmt: skip
        street = 0.2 + 0.8 * max(-sign * float(sun[0]), 0)
        ends = ((self.x, far), (self.x, near)) if sign > 0 else ((self.x, near), (self.x, far))
        draw_wall(view.canvas, view.camera, view.air, self.sides[0](), ends,
                  self.facade.height, part, street)  # fmt: skip


@dataclass(frozen=True)
class Barrier(Thing):
    """A wall or fence along the street; z is its middle."""

    texture: Callable[[], Texture]
    height: float
    label: int

    def distance(self, camera: Camera, time: float) -> float:
        """Return the key of its far end."""
        return super().distance(camera, time) + self.reach

    def draw(self, view: View) -> None:
        """Draw its street side."""
        sign = math.copysign(1, self.x)
        near, far = self.z - self.reach, self.z + self.reach
        shade = 0.25 + 0.75 * max(-sign * float(view.air.sun_direction[0]), 0)
        ends = ((self.x, far), (self.x, near)) if sign > 0 else ((self.x, near), (self.x, far))
        draw_wall(view.canvas, view.camera, view.air, self.texture(), ends, self.height,
                  (self.label, 0), shade)  # fmt: skip
