# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera on the vehicle and the road it follows.

Coordinates: x metres right of the road's centre line, y metres above the ground, z metres along
the road. Image points are in pixels, x right, y down, whole numbers at pixel centres.

The road bends by sliding every cross-section sideways, and the camera's small yaw and pitch
shift the image instead of rotating it (first order in the angle; below 3 degrees the difference
is under a pixel for most of the image). Rows of the image therefore have one depth on the
ground, which is what makes the ground fast to draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic.arrays import Floats
from anomaly_seg_ros.synthetic.config import SceneConfig

NEAR = 0.6
"""Nothing nearer than this many metres is drawn."""


@dataclass(frozen=True)
class Bend:
    """A winding centre line: sideways offset amplitude * sin(z / length + phase) in metres."""

    amplitude: float
    length: float
    phase: float

    def offset(self, z: float) -> float:
        """Return the centre line's sideways offset at z."""
        return self.amplitude * math.sin(z / self.length + self.phase)

    def slope(self, z: float) -> float:
        """Return how fast the offset changes with z."""
        return self.amplitude / self.length * math.cos(z / self.length + self.phase)


@dataclass(frozen=True)
class Camera:
    """Where the camera is and where it looks in one frame.

    Args:
        size: Image size.
        focal: Focal length in pixels.
        height: Metres above the ground.
        x: Metres right of the centre line.
        z: Metres along the road.
        centre_x: Image column that looks along the road.
        horizon: Image row of the horizon.
        bend: The road's bend.
    """

    size: Size
    focal: float
    height: float
    x: float
    z: float
    centre_x: float
    horizon: float
    bend: Bend

    def lateral_shift(self, z: Floats) -> Floats:
        """Return what must be added to x at z (N,) for metres right of the camera's axis."""
        bend = self.bend
        here = bend.offset(self.z) + self.x
        shift: Floats = bend.amplitude * np.sin(z / bend.length + bend.phase) - here
        shift -= bend.slope(self.z) * (z - self.z)
        return shift

    def lateral_shift_at(self, z: float) -> float:
        """Return what must be added to x at one z for metres right of the camera's axis."""
        bend = self.bend
        here = bend.offset(self.z) + self.x
        return bend.offset(z) - here - bend.slope(self.z) * (z - self.z)

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Project world points.

        Args:
            points: (N, 3) x, y, z.

        Returns:
            (N, 2) image points and (N,) depths in metres. Points behind `NEAR` are projected
            as if they were at `NEAR`; callers clip first where that matters.
        """
        depth = points[:, 2] - self.z
        scale = self.focal / np.maximum(depth, NEAR)
        image = np.empty((len(points), 2))
        image[:, 0] = self.centre_x + (points[:, 0] + self.lateral_shift(points[:, 2])) * scale
        image[:, 1] = self.horizon + (self.height - points[:, 1]) * scale
        return image, depth

    def project_point(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Project one point that lies in front of the camera: column, row, pixels per metre."""
        scale = self.focal / max(z - self.z, NEAR)
        column = self.centre_x + (x + self.lateral_shift_at(z)) * scale
        return column, self.horizon + (self.height - y) * scale, scale


@dataclass(frozen=True)
class CameraPath:
    """The camera's position over a clip, in closed form so that any frame can be made first."""

    size: Size
    fps: float
    speed: float
    lane: float
    bend: Bend
    height: float
    horizon: float
    phases: tuple[float, ...]

    @classmethod
    def choose(cls, config: SceneConfig, rng: np.random.Generator, lane: float) -> CameraPath:
        """Choose a path in the lane whose centre is `lane`."""
        speed = float(rng.uniform(5, 13))
        bend = Bend(
            float(rng.choice([0.0, 1.0]) * rng.uniform(1, 7)),
            float(rng.uniform(60, 90)),
            float(rng.uniform(0, 2 * math.pi)),
        )
        return cls(
            config.size,
            config.fps,
            speed if config.speed is None else config.speed,
            lane + float(rng.normal(0, 0.2)),
            bend,
            float(rng.uniform(1.25, 1.6)),
            float(rng.uniform(0.40, 0.45)),
            tuple(rng.uniform(0, 2 * math.pi, 6)),
        )

    @property
    def focal(self) -> float:
        """The focal length in pixels."""
        return 1.1 * self.size.width

    def matrix(self) -> Floats:
        """Return the 3 x 3 intrinsic matrix; the distortion is zero."""
        width, height = self.size
        return np.array(
            [[self.focal, 0, (width - 1) / 2], [0, self.focal, (height - 1) / 2], [0, 0, 1]]
        )

    def travelled(self, time: float) -> float:
        """Return the metres driven at `time` seconds."""
        # The speed breathes by at most a tenth, so the camera never rolls backwards.
        wave = math.sin(0.6 * time + self.phases[0]) - math.sin(self.phases[0])
        return self.speed * (time + wave * 0.15)

    def at(self, index: int) -> Camera:
        """Return the camera of frame `index`."""
        time = index / self.fps
        width, height = self.size
        p = self.phases
        moving = min(self.speed / 5, 1)
        yaw = 0.008 * math.sin(0.5 * time + p[1]) + 0.002 * moving * math.sin(3.1 * time + p[2])
        pitch = moving * (0.0015 * math.sin(7.3 * time + p[3]) + 0.001 * math.sin(4.1 * time))
        bob = 0.012 * moving * math.sin(8.7 * time + p[4])
        drift = 0.12 * math.sin(0.35 * time + p[5])
        return Camera(
            self.size,
            self.focal,
            self.height + bob,
            self.lane + drift,
            self.travelled(time),
            (width - 1) / 2 - self.focal * yaw,
            (height - 1) * self.horizon + self.focal * pitch,
            self.bend,
        )
