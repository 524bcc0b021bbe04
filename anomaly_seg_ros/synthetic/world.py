# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything in a clip and where it is, chosen by the seed before the first frame is drawn."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.synthetic.arrays import Floats
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import CameraPath
from anomaly_seg_ros.synthetic.config import SceneConfig
from anomaly_seg_ros.synthetic.ground import Mark
from anomaly_seg_ros.synthetic.sprite import Sprite
from anomaly_seg_ros.synthetic.street import LANE, Side, Street
from anomaly_seg_ros.synthetic.things import Lazy, Standing, Thing

VIEW = 125.0
"""Metres ahead in which things are drawn; beyond it the skyline closes the street."""


@dataclass
class World:
    """A street's contents while they are being placed.

    Args:
        config: What was asked for.
        street: The cross-section.
        air: Light and weather.
        path: Where the camera drives.
        length: Metres of street that the clip can see.
        seed: Seeds of things that are drawn later derive from it.
    """

    config: SceneConfig
    street: Street
    air: Atmosphere
    path: CameraPath
    length: float
    seed: int
    things: list[Thing] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    unknown: list[tuple[Standing, float]] = field(default_factory=list)
    lead_gap: float = 45.0
    _count: int = 0
    _pictures: dict[tuple[int, ...], Lazy[Sprite]] = field(default_factory=dict)

    @property
    def lane(self) -> float:
        """Where the camera drives."""
        return self.path.lane

    def instance(self) -> int:
        """Return the next instance number, from 1."""
        # Numbers repeat on drives of many kilometres rather than overflow 16 bits.
        self._count += 1
        return (self._count - 1) % 65535 + 1

    def generator(self, *key: int) -> Callable[[], np.random.Generator]:
        """Return a maker of a generator of its own for one thing."""
        return lambda: np.random.default_rng((self.seed, *key))

    def hides_unknown(
        self, x: float, half_width: float, near: float, far: float, speed: float = 0.0
    ) -> bool:
        """Tell whether something would stand on an unknown object or in the line of sight to it.

        Args:
            x: Its middle, metres right of the centre line.
            half_width: Half its width.
            near: Where it begins along the road at time 0.
            far: Where it ends.
            speed: Metres per second along the road.
        """
        goals, times = self._goals()
        blocker = np.stack([near + speed * times, far + speed * times], 1)
        return bool(self._blocked(goals, np.full(len(times), x), half_width, blocker).any())

    def hidden_by_unknown(self, x: float, z: float, width: float, time: float) -> bool:
        """Tell whether unknown objects stand between the camera at `time` and a place."""
        others, _ = self._goals()
        goal = np.array([[x, z, width, self.path.travelled(time)]])
        depth = others[:, 1:2] + np.array([[-0.2, 0.2]])
        goals = np.repeat(goal, len(others), 0)
        return bool(self._blocked(goals, others[:, 0], others[:, 2] / 2, depth).any())

    def _goals(self) -> tuple[Floats, Floats]:
        """Return x, z, width of each unknown object, where it is seen from, and when."""
        rows = [(t.x, t.z, t.width, self.path.travelled(time)) for t, time in self.unknown]
        times = np.array([time for _, time in self.unknown], float)
        return np.array(rows, float).reshape(-1, 4), times

    def _blocked(
        self, goals: Floats, x: Floats, half_width: Floats | float, ends: Floats
    ) -> NDArray[np.bool_]:
        """Tell which lines of sight run into blockers that lie between two z."""
        goal_x, goal_z, width, eye = goals.T
        first, last = np.maximum(ends[:, 0], eye), np.minimum(ends[:, 1], goal_z + 2)
        z = first[:, None] + (last - first)[:, None] * np.linspace(0, 1, 5)
        share = np.minimum((z - eye[:, None]) / np.maximum(goal_z - eye, 0.1)[:, None], 1)
        ray = self.lane + (goal_x - self.lane)[:, None] * share
        margin = np.atleast_1d(half_width)[:, None] + 0.6 * width[:, None] * share + 0.3
        close: NDArray[np.bool_] = (np.abs(x[:, None] - ray) < margin).any(1)
        between: NDArray[np.bool_] = (ends[:, 1] >= eye) & (ends[:, 0] <= goal_z + 2)
        return np.logical_and(close, between)

    def shared(
        self, key: tuple[int, ...], make: Callable[[np.random.Generator], Sprite]
    ) -> Lazy[Sprite]:
        """Return a picture that is made once for all things that ask for it by the same key."""
        if key not in self._pictures:
            rng = self.generator(*key[:2])
            self._pictures[key] = Lazy(lambda: make(rng()))
        return self._pictures[key]

    def add(self, thing: Thing) -> None:
        """Place a thing."""
        self.things.append(thing)


class Contents:
    """A finished world, searched by where the camera is."""

    def __init__(self, world: World) -> None:
        still = [t for t in world.things if t.speed == 0]
        self._moving = [t for t in world.things if t.speed != 0]
        self._still = sorted(still, key=lambda t: t.z)
        self._still_z = [t.z for t in self._still]
        self._reach = max((t.reach for t in still), default=0.0)
        self._marks = sorted(world.marks, key=lambda m: float(m.points[:, 1].mean()))
        self._marks_z = [float(m.points[:, 1].mean()) for m in self._marks]

    def things(self, z: float, time: float) -> list[Thing]:
        """Return what a camera at z can see at `time`, in no special order."""
        first = bisect_left(self._still_z, z - self._reach)
        last = bisect_right(self._still_z, z + VIEW)
        still = [t for t in self._still[first:last] if t.z + t.reach > z]
        return still + [t for t in self._moving if z - t.reach < t.z_at(time) < z + VIEW]

    def marks(self, z: float) -> list[Mark]:
        """Return the marks on the ground that a camera at z can tell from the road."""
        first, last = bisect_left(self._marks_z, z - 10), bisect_right(self._marks_z, z + 110)
        return self._marks[first:last]


def ego_side_free(world: World, side: Side) -> tuple[float, float]:
    """Return the part of the carriageway where no traffic drives but the camera's own lane."""
    inner = float(np.floor(world.lane / LANE)) * LANE
    return (max(inner, 0.0) + 0.1, side.kerb - 0.2)
