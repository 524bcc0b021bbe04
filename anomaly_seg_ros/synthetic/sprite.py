# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flat pictures that stand upright in the world, and the brush that draws them.

People, trees, signs and most unknown objects are drawn once per clip in metres, kept at halved
sizes and pasted at sub-pixel positions, so they neither flicker nor jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.synthetic.arrays import Colour, Pixels, four_channels, pixels, to_pixels
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import NEAR, Camera
from anomaly_seg_ros.synthetic.canvas import Canvas

_SMALLEST = 2.0
"""Pixels; what is lower is not drawn."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Sprite:
    """A picture with a transparent surrounding.

    Args:
        levels: (colour (h, w, 3), parts (h, w)) at full, half, quarter ... resolution;
            part 0 is transparent, part n belongs to ``labels[n - 1]``.
        labels: The class of each part.
        scale: Pixels per metre at full resolution.
    """

    levels: tuple[tuple[Pixels, Pixels], ...]
    labels: tuple[int, ...]
    scale: float
    _toned: dict[tuple[int, int], Pixels] = field(default_factory=dict, repr=False, compare=False)

    def _lit(self, level: int, tone: Pixels) -> Pixels:
        # Tables live as long as the clip's atmosphere, so their identity can stand for them.
        key = (level, id(tone))
        if key not in self._toned:
            self._toned[key] = four_channels(cv2.LUT(self.levels[level][0], tone))
        return self._toned[key]

    @property
    def width(self) -> float:
        """Metres."""
        return float(self.levels[0][1].shape[1] / self.scale)

    @property
    def height(self) -> float:
        """Metres."""
        return float(self.levels[0][1].shape[0] / self.scale)

    def draw(
        self,
        canvas: Canvas,
        camera: Camera,
        air: Atmosphere,
        place: tuple[float, float, float],
        instances: tuple[int, ...] = (0,),
        shade: float = 0.55,
        mirrored: bool = False,
        zoom: float = 1.0,
    ) -> None:
        """Draw the sprite with the middle of its lower edge at `place` (x, y, z)."""
        depth = place[2] - camera.z
        if depth < NEAR:
            return
        column, row, scale = camera.project_point(*place)
        factor = scale * zoom / self.scale
        full_height, full_width = self.levels[0][1].shape
        left, top = column - full_width * factor / 2, row - full_height * factor
        right, bottom = left + full_width * factor, top + full_height * factor
        window = canvas.window(left, top, right, bottom)
        if window is None or bottom - top < _SMALLEST:
            return
        level = min(max(math.floor(-math.log2(max(factor, 1e-6))), 0), len(self.levels) - 1)
        parts = self.levels[level][1]
        colour = self._lit(level, air.table(shade, depth))
        step = parts.shape[1] / full_width
        # Maps patch pixels to sprite pixels, both with centres at whole numbers.
        inverse_x, inverse_y = step / factor, parts.shape[0] / full_height / factor
        offset_x = (window[0] - left + 0.5) * inverse_x - 0.5
        offset_y = (window[1] - top + 0.5) * inverse_y - 0.5
        if mirrored:
            inverse_x, offset_x = -inverse_x, parts.shape[1] - 1 - offset_x
        matrix = np.array([[inverse_x, 0, offset_x], [0, inverse_y, offset_y]])
        shape = (window[2] - window[0], window[3] - window[1])
        mask = cv2.warpAffine(parts, matrix, shape, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        patch = cv2.warpAffine(
            colour,
            matrix,
            shape,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        owners = canvas.table(
            canvas.part(n, i) for n, i in zip(self.labels, instances, strict=False)
        )
        canvas.paste(pixels(patch), pixels(mask), (window[0], window[1]), owners)


class Brush:
    """Draws one sprite in metres: x to the right of the middle, y above the lower edge."""

    def __init__(self, width: float, height: float, scale: float) -> None:
        self.scale = scale
        shape = (max(round(height * scale), 2), max(round(width * scale), 2))
        self.colour: Pixels = np.zeros((*shape, 3), np.uint8)
        self.parts: Pixels = np.zeros(shape, np.uint8)

    def _fixed(self, points: list[Point]) -> NDArray[np.int32]:
        height, width = self.parts.shape
        array = np.array(points, float) * (self.scale, -self.scale)
        array += (width / 2 - 0.5, height - 0.5)
        return np.rint(array * 16).astype(np.int32)

    def polygon(self, points: list[Point], colour: Colour, part: int = 1) -> None:
        """Fill a polygon; part 0 only paints."""
        fixed = self._fixed(points)
        cv2.fillPoly(self.colour, [fixed], colour, cv2.LINE_8, 4)
        if part:
            cv2.fillPoly(self.parts, [fixed], part, cv2.LINE_8, 4)

    def box(
        self, left: float, bottom: float, right: float, top: float, colour: Colour, part: int = 1
    ) -> None:
        """Fill an upright rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour, part)

    def line(self, points: list[Point], width: float, colour: Colour, part: int = 1) -> None:
        """Draw a line with round ends, `width` metres thick."""
        fixed = self._fixed(points)
        thickness = max(round(width * self.scale), 1)
        cv2.polylines(self.colour, [fixed], False, colour, thickness, cv2.LINE_8, 4)
        if part:
            cv2.polylines(self.parts, [fixed], False, part, thickness, cv2.LINE_8, 4)

    def ellipse(self, centre: Point, radii: Point, colour: Colour, part: int = 1) -> None:
        """Fill an ellipse."""
        self.polygon(_circle(centre, radii, 28), colour, part)

    def ring(self, centre: Point, radius: float, width: float, colour: Colour, part: int) -> None:
        """Draw a circle's outline."""
        circle = _circle(centre, (radius, radius), 24)
        self.line([*circle, circle[0]], width, colour, part)

    def multiply(self, gain: NDArray[np.float32]) -> None:
        """Multiply the colours by (h, w) or (h, w, 3) gains."""
        gain = gain if gain.ndim == 3 else gain[:, :, None]
        self.colour = to_pixels(self.colour * gain)

    def round_off(self, side: float, depth: float, strength: float = 0.5) -> None:
        """Shade the shape as if it bulged towards the viewer, lit from `side` (-1 left, 1 right).

        Args:
            side: Where the light comes from.
            depth: Metres from the outline over which the surface curves.
            strength: 0 flat, 1 deep.
        """
        mask = (self.parts > 0).astype(np.uint8)
        mask = pixels(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0))
        distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
        bulge = np.sqrt(np.clip(distance / max(depth * self.scale, 1), 0, 1))
        bulge = cv2.GaussianBlur(bulge.astype(np.float32), (0, 0), max(self.scale * 0.012, 0.8))
        slope_x = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=depth * self.scale / 8)
        slope_y = cv2.Sobel(bulge, cv2.CV_32F, 0, 1, scale=depth * self.scale / 8)
        light = -side * slope_x * 0.5 + slope_y * 0.55
        gain = 1 + strength * (0.9 * np.tanh(light) + 0.35 * (bulge - 0.75))
        self.multiply(np.clip(gain, 0.25, 1.5).astype(np.float32))

    def finish(self, labels: tuple[int, ...], levels: int = 6) -> Sprite:
        """Return the sprite; colours are spread past the outline so that edges do not darken."""
        solid = (self.parts != 0).astype(np.uint8) * np.uint8(255)
        inside = pixels(cv2.copyTo(self.colour, solid))
        weight = cv2.cvtColor(cv2.blur(solid, (9, 9)), cv2.COLOR_GRAY2RGB)
        colour = pixels(cv2.divide(cv2.blur(inside, (9, 9)), weight, scale=255))
        # Far from the outline nothing was spread; the mean colour stands in at small sizes.
        mean = np.array(cv2.mean(self.colour, solid)[:3])
        colour[weight[:, :, 0] < 8] = to_pixels(mean)
        cv2.copyTo(self.colour, solid, colour)
        result = [(colour, self.parts)]
        while len(result) < levels and min(result[-1][1].shape) >= 8:
            last_colour, last_parts = result[-1]
            height, width = last_parts.shape
            half = ((width + 1) // 2, (height + 1) // 2)
            result.append((
                pixels(cv2.resize(last_colour, half, interpolation=cv2.INTER_AREA)),
                _halve_parts(last_parts, half),
            ))  # fmt: skip
        return Sprite(tuple(result), labels, self.scale)


def _circle(centre: Point, radii: Point, corners: int) -> list[Point]:
    angles = [2 * math.pi * i / corners for i in range(corners)]
    return [
        (centre[0] + radii[0] * math.cos(a), centre[1] + radii[1] * math.sin(a)) for a in angles
    ]


def _halve_parts(parts: Pixels, half: tuple[int, int]) -> Pixels:
    """Halve a part map by majority, so thin structures fade evenly rather than by luck."""
    best = np.zeros((half[1], half[0]), np.uint8)
    # A transparent majority must be clear: thin poles and limbs should outlive halving.
    score = cv2.resize((parts == 0).astype(np.float32), half, interpolation=cv2.INTER_AREA) - 0.12
    for value in range(1, int(parts.max()) + 1):
        share = cv2.resize((parts == value).astype(np.float32), half, interpolation=cv2.INTER_AREA)
        best = np.where(share > score, np.uint8(value), best)
        score = np.maximum(score, share)
    return best
