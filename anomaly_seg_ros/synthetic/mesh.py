# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Solid bodies made of flat panels, with painted details on each panel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.synthetic.arrays import Colour, Floats, Integers
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import NEAR, Camera
from anomaly_seg_ros.synthetic.canvas import Canvas, fixed_point

_DETAILED = 13
"""Pixels; of bodies that are lower in the image only the panels are drawn."""

Corner = tuple[float, float, float]


@dataclass(frozen=True)
class Mesh:
    """A body in its own frame: x right, y up from the ground, z forwards, metres.

    Args:
        vertices: (V, 3).
        faces: First and last vertex (exclusive) of each face, panels and details.
        panels: (F,) the panel that each face lies on; details follow their panel.
        normals: (F, 3) outward unit normals.
        centres: (F, 3) centres of the faces' panels.
        colours: (F, 3).
        shiny: (F,) 1 for faces that glow by themselves (lamps), 0 for others.
        details: (F,) faces painted onto a panel.
        height: Metres.
        outermost: (F,) faces that no other face of the body hides; they are drawn last.
    """

    vertices: Floats
    faces: tuple[tuple[int, int], ...]
    panels: Integers
    normals: Floats
    centres: Floats
    colours: Floats
    shiny: Floats
    outermost: NDArray[np.bool_]
    details: NDArray[np.bool_]
    height: float

    def draw(
        self,
        canvas: Canvas,
        camera: Camera,
        air: Atmosphere,
        place: tuple[float, float, float],
        heading: float,
        part: int,
    ) -> None:
        """Draw the body with its origin at `place`, turned left by `heading` radians."""
        cos, sin = math.cos(heading), math.sin(heading)
        turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
        world = self.vertices @ turn.T + place
        normals = self.normals @ turn.T
        centres = self.centres @ turn.T + place
        if world[:, 2].max() <= camera.z + NEAR:
            return
        image, depth = camera.project(world)
        if canvas.box(image) is None:
            return
        eye = np.array([-camera.lateral_shift_at(place[2]), camera.height, camera.z])
        away = centres - eye
        visible = (normals * away).sum(1) < 0
        distance = np.hypot(away[:, 0], away[:, 2])
        lit = air.colours(self.colours, air.shade_of(normals), max(place[2] - camera.z, 0))
        lit = np.where(self.shiny[:, None] > 0, self.colours, lit)
        if camera.focal * self.height < _DETAILED * (place[2] - camera.z):
            visible &= ~self.details
        clipped = bool((depth < NEAR).any())
        order = np.lexsort((self.panels, -distance, self.outermost))
        fixed = fixed_point(image)
        for i in order[visible[order]].tolist():
            first, last = self.faces[i]
            if clipped:
                points = _clip_near(world[first:last], camera)
                if len(points) > 2:
                    canvas.polygon(points, lit[i].tolist(), part)
            else:
                canvas.fixed_polygon(fixed[first:last], lit[i].tolist(), part)


def _clip_near(points: Floats, camera: Camera) -> Floats:
    """Cut a polygon (N, 3) at the near plane and project what remains."""
    limit = camera.z + NEAR
    result = []
    for index, point in enumerate(points):
        before = points[index - 1]
        if (before[2] >= limit) != (point[2] >= limit):
            share = (limit - before[2]) / (point[2] - before[2])
            result.append(before + (point - before) * share)
        if point[2] >= limit:
            result.append(point)
    return camera.project(np.array(result).reshape(-1, 3))[0]


class MeshBuilder:
    """Collects panels and details, then makes the mesh."""

    def __init__(self) -> None:
        self._vertices: list[Corner] = []
        self._faces: list[tuple[int, int]] = []
        self._panels: list[int] = []
        self._normals: list[Floats] = []
        self._centres: list[Floats] = []
        self._colours: list[Colour] = []
        self._shiny: list[float] = []
        self._panel = -1
        self._outermost = False
        self._top: list[bool] = []

    def panel(
        self, corners: list[Corner], outward: Corner, colour: Colour, outermost: bool = False
    ) -> None:
        """Add a flat panel; details added next lie on it.

        Args:
            corners: In order around the panel, either way.
            outward: A rough outward direction; the normal is computed.
            colour: Unlit colour.
            outermost: Whether no other panel of the body can hide it, as with wheels.
        """
        self._panel += 1
        self._outermost = outermost
        points = np.array(corners)
        (x, y, z), (u, v, w) = points.T, np.roll(points, -1, 0).T
        normal = np.array([(y * w - z * v).sum(), (z * u - x * w).sum(), (x * v - y * u).sum()])
        normal /= max(float(np.linalg.norm(normal)), 1e-9)
        if float(normal @ np.array(outward)) < 0:
            normal = -normal
        self._add(corners, normal, points.mean(0), colour, 0)

    def detail(self, corners: list[Corner], colour: Colour, glows: bool = False) -> None:
        """Paint a polygon onto the panel added last."""
        self._add(corners, self._normals[-1], self._centres[-1], colour, float(glows))

    def _add(
        self, corners: list[Corner], normal: Floats, centre: Floats, colour: Colour, glow: float
    ) -> None:
        first = len(self._vertices)
        self._vertices.extend(corners)
        self._faces.append((first, len(self._vertices)))
        self._panels.append(self._panel)
        self._normals.append(normal)
        self._centres.append(centre)
        self._colours.append(colour)
        self._shiny.append(glow)
        self._top.append(self._outermost)

    def box(
        self,
        low: Corner,
        high: Corner,
        colour: Colour,
        roof: Colour | None = None,
    ) -> None:
        """Add a box: two sides, back, front and roof, in this order."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        for x, out in ((x0, -1.0), (x1, 1.0)):
            self.panel([(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)], (out, 0, 0), colour)
        for z, out in ((z0, -1.0), (z1, 1.0)):
            self.panel([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], (0, 0, out), colour)
        self.panel(
            [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)], (0, 1, 0), roof or colour
        )

    def disc(self, x: float, y: float, z: float, radius: float) -> list[Corner]:
        """Return the corners of an upright disc across the x axis."""
        angles = np.linspace(0, 2 * math.pi, 14, endpoint=False)
        return [(x, y + radius * math.sin(a), z + radius * math.cos(a)) for a in angles]

    def finish(self) -> Mesh:
        """Return the mesh."""
        panels = np.array(self._panels, np.int32)
        return Mesh(
            np.array(self._vertices, float),
            tuple(self._faces),
            panels,
            np.array(self._normals),
            np.array(self._centres),
            np.array(self._colours, float),
            np.array(self._shiny),
            np.array(self._top),
            np.diff(panels, prepend=-1) == 0,
            max(y for _, y, _ in self._vertices),
        )
