# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A clip: frames with ground truth, each of which can be made alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.synthetic import labels as names
from anomaly_seg_ros.synthetic.arrays import Pixels
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import Camera, CameraPath
from anomaly_seg_ros.synthetic.canvas import Canvas
from anomaly_seg_ros.synthetic.config import SceneConfig
from anomaly_seg_ros.synthetic.ground import Ground
from anomaly_seg_ros.synthetic.placement import (
    paint_road,
    place_frontage,
    place_furniture,
    place_greenery,
    place_people,
)
from anomaly_seg_ros.synthetic.sensor import Sensor
from anomaly_seg_ros.synthetic.shadows import Shadows
from anomaly_seg_ros.synthetic.sky import Sky
from anomaly_seg_ros.synthetic.street import Street
from anomaly_seg_ros.synthetic.things import View
from anomaly_seg_ros.synthetic.traffic import place_traffic, place_unknown, visible_length
from anomaly_seg_ros.synthetic.world import Contents, World


@dataclass(frozen=True)
class Frame:
    """One image with its ground truth.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8, Cityscapes train ids; 255 on unknown objects.
        instances: (H, W) uint16, the same number in all frames of a clip; 0 where things are
            not counted (road, sky, buildings, plants, poles).
        anomaly: (H, W) uint8, 1 on unknown objects, 0 elsewhere; 255 (ignore) does not occur.
        index: The frame's number in its clip.
        time: Seconds since the clip's first frame.
    """

    image: Pixels
    labels: Pixels
    instances: NDArray[np.uint16]
    anomaly: Pixels
    index: int
    time: float


class StreetClip:
    """A drive through a street that the seed invents.

    Iterate over it, or ask for any frame by its number; frames do not depend on each other.

    Args:
        config: What to draw.
    """

    def __init__(self, config: SceneConfig | None = None) -> None:
        self.config = config = config or SceneConfig()
        rng = np.random.default_rng(config.seed)
        street = Street.choose(rng)
        self._air = Atmosphere.choose(config, rng)
        ego = street.right.lane_centre(int(rng.integers(street.right.lanes)))
        self._path = CameraPath.choose(config, rng, ego)
        final = self._path.travelled((config.frames - 1) / config.fps)
        world = World(config, street, self._air, self._path, visible_length(final), config.seed)
        if config.traffic > 0 and rng.random() < min(0.4 * config.traffic, 1):
            world.lead_gap = float(rng.uniform(16, 36))
        place_unknown(world, np.random.default_rng((config.seed, 101)))
        paint_road(world, np.random.default_rng((config.seed, 102)))
        for number, side in enumerate(street.sides):
            for step, place in enumerate(
                (place_frontage, place_greenery, place_furniture, place_people)
            ):
                place(world, side, np.random.default_rng((config.seed, 103, number, step)))
        place_traffic(world, np.random.default_rng((config.seed, 104)))
        self._unknown = frozenset(t.instances[0] for t, _ in world.unknown)
        self._contents = Contents(world)
        self._ground = Ground(street, np.random.default_rng((config.seed, 105)))
        self._sky = Sky(config.size, self._air, np.random.default_rng((config.seed, 106)))
        self._sensor = Sensor(config, self._air, np.random.default_rng((config.seed, 107)))

    @property
    def camera_matrix(self) -> NDArray[np.float64]:
        """The 3 x 3 intrinsic matrix in pixels; the lens has no distortion."""
        return self._path.matrix()

    @property
    def unknown_instances(self) -> frozenset[int]:
        """The instance numbers of the unknown objects."""
        return self._unknown

    @property
    def weather(self) -> str:
        """The weather that was configured or chosen by the seed."""
        return self._air.weather

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.config.frames

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over all frames from the first."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Frame:
        """Draw frame `index`; negative numbers count from the end.

        Raises:
            IndexError: The clip has no such frame.
        """
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            msg = f'received frame {index} of a clip of {len(self)} frames'
            raise IndexError(msg)
        camera, time = self._path.at(number), number / self.config.fps
        canvas = self._draw(camera, time)
        labels, instances = canvas.truth()
        moved = self._path.speed / self.config.fps
        image = self._sensor.expose(canvas.image, camera, moved, number)
        anomaly = (labels == names.UNKNOWN).astype(np.uint8)
        return Frame(image, labels, instances, anomaly, number, time)

    def _draw(self, camera: Camera, time: float) -> Canvas:
        canvas = Canvas(self.config.size)
        self._sky.draw(canvas, camera)
        self._ground.draw(canvas, camera, self._air, self._contents.marks(camera.z))
        things = self._contents.things(camera.z, time)
        things.sort(key=lambda thing: -thing.distance(camera, time))
        shadows = Shadows(camera, self._air)
        for thing in things:
            thing.shadow(shadows, time)
        shadows.apply(canvas)
        view = View(canvas, camera, self._air, time)
        for thing in things:
            thing.draw(view)
        return canvas
