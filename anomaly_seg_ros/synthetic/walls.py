# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upright textured surfaces with perspective: facades, walls and fences."""

from __future__ import annotations

import cv2
import numpy as np

from anomaly_seg_ros.synthetic.arrays import Pixels, four_channels, pixels
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import NEAR, Camera
from anomaly_seg_ros.synthetic.canvas import Canvas, fixed_point


class Texture:
    """An image kept at halved widths and heights, independently.

    Args:
        image: (h, w, 3) at full resolution.
    """

    def __init__(self, image: Pixels) -> None:
        self._levels: dict[tuple[int, int], Pixels] = {(0, 0): image}
        self._toned: dict[tuple[int, int, int], Pixels] = {}

    def level(self, width: float, height: float, tone: Pixels) -> Pixels:
        """Return the smallest version that still has about `width` x `height` pixels.

        `tone` is a look-up table that lives as long as the texture; results are kept per table.
        """
        full = self._levels[0, 0]
        key = (_halvings(full.shape[1], width), _halvings(full.shape[0], height))
        if key not in self._levels:
            size = (max(full.shape[1] >> key[0], 1), max(full.shape[0] >> key[1], 1))
            self._levels[key] = pixels(cv2.resize(full, size, interpolation=cv2.INTER_AREA))
        lit = (*key, id(tone))
        if lit not in self._toned:
            self._toned[lit] = four_channels(cv2.LUT(self._levels[key], tone))
        return self._toned[lit]


def _halvings(full: int, wanted: float) -> int:
    return max(int(np.floor(np.log2(full / max(wanted, 1)) + 0.3)), 0)


def draw_wall(
    canvas: Canvas,
    camera: Camera,
    air: Atmosphere,
    texture: Texture,
    ends: tuple[tuple[float, float], tuple[float, float]],
    height: float,
    part: tuple[int, int],
    shade: float,
) -> None:
    """Draw a surface that stands on the ground between two points.

    Args:
        canvas: What to draw on.
        camera: Where to look from.
        air: Light and haze.
        texture: Its left edge is at the first end.
        ends: Two (x, z) points.
        height: Metres.
        part: Class and instance.
        shade: Share of the sun that it catches.
    """
    (x0, z0), (x1, z1) = ends
    limit = camera.z + NEAR + 0.4
    if max(z0, z1) <= limit:
        return
    # Cut the part that lies behind the camera; the texture is cut alike.
    cut0 = (limit - z0) / (z1 - z0) if z0 < limit else 0.0
    cut1 = (limit - z0) / (z1 - z0) if z1 < limit else 1.0
    (x0, z0), (x1, z1) = ((x0 + (x1 - x0) * cut, z0 + (z1 - z0) * cut) for cut in (cut0, cut1))
    world = np.array([(x0, height, z0), (x1, height, z1), (x1, 0, z1), (x0, 0, z0)])
    corners, depths = camera.project(world)
    window = canvas.box(corners)
    if window is None:
        return
    span = abs(float(corners[1, 0] - corners[0, 0])) / max(cut1 - cut0, 1e-6)
    tall = float(max(corners[3, 1] - corners[0, 1], corners[2, 1] - corners[1, 1]))
    # Distance along a long wall varies; the middle of what is visible stands for it.
    depth = float(2 / (1 / depths[0] + 1 / depths[1]))
    image = texture.level(span, tall, air.table(shade, depth))
    rows, columns = image.shape[:2]
    left, right = cut0 * columns, cut1 * columns
    source = np.array([(left, 0), (right, 0), (right, rows), (left, rows)], np.float32)
    source -= np.float32(0.5)
    local = corners - window[:2]
    matrix = cv2.getPerspectiveTransform(source, local.astype(np.float32))
    shape = (window[2] - window[0], window[3] - window[1])
    patch = cv2.warpPerspective(
        image, matrix, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros((shape[1], shape[0]), np.uint8)
    cv2.fillConvexPoly(mask, fixed_point(local), 1, cv2.LINE_8, 4)
    canvas.paste(pixels(patch), mask, (window[0], window[1]))
    # Whole pixels lie between both polygons, so they cover the same ones.
    canvas.own(fixed_point(corners), canvas.part(*part))
