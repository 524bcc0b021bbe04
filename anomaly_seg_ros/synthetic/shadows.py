# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shadows on the ground: soft contact shadows, and the sun's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.synthetic.arrays import Floats, Pixels, pixels
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import Camera
from anomaly_seg_ros.synthetic.canvas import Canvas, fixed_point


def _soft_ellipse() -> NDArray[np.float32]:
    axis = np.linspace(-1, 1, 48, dtype=np.float32)
    radius = np.hypot(axis[:, None], axis[None])
    inner: NDArray[np.float32] = np.clip((1 - radius) / 0.45, 0, 1)
    return inner


_ELLIPSE = _soft_ellipse()


class Shadows:
    """Collects all shadows of a frame, then darkens the ground once.

    Must be applied before anything that stands on the ground is drawn.
    """

    def __init__(self, canvas: Canvas, camera: Camera, air: Atmosphere) -> None:
        self._camera = camera
        self._air = air
        self._top = min(max(int(camera.horizon) + 1, 0), canvas.size.height)
        self._mask: Pixels = np.full(
            (canvas.size.height - self._top, canvas.size.width), 255, np.uint8
        )
        sun, sky = np.asarray(air.light.sun), np.asarray(air.light.ambient)
        # What remains of the light where the sun is hidden.
        self._sunless = float((sky / (sky + 0.85 * sun)).mean())

    def contact(self, x: float, z: float, radius_x: float, radius_z: float, dark: float) -> None:
        """Darken an ellipse under an object by up to `dark` (0 to 1)."""
        if not 1 < z - radius_z - self._camera.z < 80 or self._mask.size == 0:
            return
        column, bottom, scale = self._camera.project_point(x, 0, z - radius_z)
        if radius_x * scale < 1.5 or not -self._mask.shape[1] < column < 2 * self._mask.shape[1]:
            return
        top = self._camera.project_point(x, 0, z + radius_z)[1]
        left, right = column - radius_x * scale, column + radius_x * scale
        height, width = self._mask.shape
        x0, x1 = max(int(left), 0), min(int(right) + 1, width)
        y0, y1 = max(int(top) - self._top, 0), min(int(bottom) + 1 - self._top, height)
        if x0 >= x1 or y0 >= y1 or right - left < 1:
            return
        size = _ELLIPSE.shape[0]
        step_x, step_y = size / (right - left), size / max(bottom - top, 1)
        matrix = np.array(
            [[step_x, 0, (x0 - left) * step_x], [0, step_y, (y0 + self._top - top) * step_y]]
        )
        soft = cv2.warpAffine(
            _ELLIPSE, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        target = self._mask[y0:y1, x0:x1]
        target[:] = (target * (1 - dark * soft)).astype(np.uint8)

    def cast(self, x: float, z: float, width: float, length: float, height: float) -> None:
        """Add the sun's shadow of a box that stands on the ground around (x, z)."""
        sun = self._air.sun_direction
        if self._sunless > 0.85 or not -30 - length < z - self._camera.z < 80:
            return
        reach = min(height / max(float(sun[1]), 0.25), 4 * height)
        shift = np.array([-sun[0], -sun[2]]) * reach
        half = np.array([width / 2, length / 2])
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + (x, z)
        hull = cv2.convexHull(np.concatenate([corners, corners + shift]).astype(np.float32))
        self.polygon(hull[:, 0].astype(np.float64))

    def polygon(self, points: Floats) -> None:
        """Add a sunless area, (N, 2) x, z, convex."""
        z = np.maximum(points[:, 1], self._camera.z + 1)
        if points[:, 1].max() < self._camera.z + 1 or self._mask.size == 0:
            return
        image, _ = self._camera.project(np.stack([points[:, 0], np.zeros(len(z)), z], 1))
        image[:, 1] -= self._top
        cv2.fillConvexPoly(self._mask, fixed_point(image), 255 * self._sunless, cv2.LINE_8, 4)

    def apply(self, canvas: Canvas) -> None:
        """Darken the ground."""
        if self._mask.size:
            soft = cv2.blur(self._mask, (5, 3))
            canvas.darken(pixels(cv2.cvtColor(soft, cv2.COLOR_GRAY2RGBA)), (0, self._top))
