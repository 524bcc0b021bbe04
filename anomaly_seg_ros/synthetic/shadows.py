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
_CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
_CONTACT_VIEW = 80.0
_CAST_VIEW = 60.0
"""Metres beyond which shadows are too thin to be seen."""


class Shadows:
    """Collects all shadows of a frame, then darkens the ground once.

    Must be applied before anything that stands on the ground is drawn.
    """

    def __init__(self, camera: Camera, air: Atmosphere) -> None:
        self._camera = camera
        self._air = air
        self._boxes: list[tuple[float, float, float, float, float]] = []
        self._spots: list[tuple[float, float, float, float, float]] = []
        sun, sky = np.asarray(air.light.sun), np.asarray(air.light.ambient)
        # What remains of the light where the sun is hidden.
        self._sunless = float((sky / (sky + 0.85 * sun)).mean())

    def contact(self, x: float, z: float, radius_x: float, radius_z: float, dark: float) -> None:
        """Darken an ellipse under an object by up to `dark` (0 to 1)."""
        if 1 < z - radius_z - self._camera.z < _CONTACT_VIEW:
            self._spots.append((x, z, radius_x, radius_z, dark))

    def cast(self, x: float, z: float, width: float, length: float, height: float) -> None:
        """Add the sun's shadow of a box that stands on the ground around (x, z)."""
        if self._sunless < 0.85 and -30 - length < z - self._camera.z < _CAST_VIEW:
            self._boxes.append((x, z, width, length, height))

    def apply(self, canvas: Canvas) -> None:
        """Darken the ground."""
        top = min(max(int(self._camera.horizon) + 1, 0), canvas.size.height)
        mask: Pixels = np.full((canvas.size.height - top, canvas.size.width), 255, np.uint8)
        if mask.size == 0:
            return
        if self._boxes:
            self._fill_boxes(mask, top)
        if self._spots:
            self._fill_spots(mask, top)
        soft = cv2.blur(mask, (5, 3))
        canvas.darken(pixels(cv2.cvtColor(soft, cv2.COLOR_GRAY2RGBA)), (0, top))

    def _fill_boxes(self, mask: Pixels, top: int) -> None:
        boxes = np.array(self._boxes)
        sun = self._air.sun_direction
        reach = np.minimum(boxes[:, 4] / max(float(sun[1]), 0.25), 4 * boxes[:, 4])
        corners = boxes[:, None, :2] + _CORNERS * boxes[:, None, 2:4]
        # A box's shadow reaches from its foot to its foot moved away from the sun.
        moved = corners - np.array([sun[0], sun[2]]) * reach[:, None, None]
        ground = np.concatenate([corners, moved], 1)
        behind = ground[:, :, 1].max(1) < self._camera.z + 1
        image = self._project(ground, top)
        for hull in fixed_point(image[~behind].reshape(-1, 2)).reshape(-1, 8, 2):
            cv2.fillConvexPoly(mask, cv2.convexHull(hull), 255 * self._sunless, cv2.LINE_8, 4)

    def _fill_spots(self, mask: Pixels, top: int) -> None:
        spots = np.array(self._spots)
        x, z, radius_x, radius_z, dark = spots.T
        ends = np.stack([
            np.stack([x - radius_x, z - radius_z], 1), np.stack([x + radius_x, z - radius_z], 1),
            np.stack([x, z + radius_z], 1),
        ], 1)  # fmt: skip
        image = self._project(ends, top)
        boxes = np.stack([image[:, 0, 0], image[:, 2, 1], image[:, 1, 0], image[:, 0, 1]], 1)
        wide = boxes[:, 2] - boxes[:, 0] >= 3
        for box, strength in zip(boxes[wide].tolist(), dark[wide].tolist(), strict=True):
            _spot(mask, box, strength)

    def _project(self, ground: Floats, top: int) -> Floats:
        """Project points on the ground (N, K, 2) x, z into the mask."""
        flat = ground.reshape(-1, 2)
        z = np.maximum(flat[:, 1], self._camera.z + 1)
        image, _ = self._camera.project(np.stack([flat[:, 0], np.zeros(len(z)), z], 1))
        image[:, 1] -= top
        return image.reshape(ground.shape)


def _spot(mask: Pixels, box: list[float], dark: float) -> None:
    """Darken the ellipse inside a box: left, top, right, bottom."""
    left, top, right, bottom = box
    height, width = mask.shape
    x0, x1 = max(int(left), 0), min(int(right) + 1, width)
    y0, y1 = max(int(top), 0), min(int(bottom) + 1, height)
    if x0 >= x1 or y0 >= y1:
        return
    step_x, step_y = _ELLIPSE.shape[1] / (right - left), _ELLIPSE.shape[0] / max(bottom - top, 1)
    matrix = np.array([[step_x, 0, (x0 - left) * step_x], [0, step_y, (y0 - top) * step_y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    soft = cv2.warpAffine(_ELLIPSE, matrix, (x1 - x0, y1 - y0), flags=flags)
    target = mask[y0:y1, x0:x1]
    target[:] = (target * (1 - dark * soft)).astype(np.uint8)
