# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one frame is drawn on: an image and, pixel for pixel, whose pixel it is.

Anti-aliasing policy: shapes are drawn with hard edges, colour and ownership with the same
outline, so labels are exact; the lens blur that the sensor adds afterwards softens the image's
edges as a real lens does, and touches no label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic.arrays import Floats, Integers, Pixels, pixels

_SHIFT = 4
_FAR_OUT = 30000.0


def fixed_point(points: Floats) -> Integers:
    """Return image points (N, 2) as OpenCV's fixed-point numbers."""
    return np.rint(np.clip(points, -_FAR_OUT, _FAR_OUT) * (1 << _SHIFT)).astype(np.int32)


class Canvas:
    """An image (H, W, 4) and the owner of each pixel (H, W).

    The image's fourth channel means nothing: OpenCV warps four channels in less than half the
    time of three.

    A part is a (class, instance) pair; it is what a pixel belongs to.
    """

    def __init__(self, size: Size) -> None:
        self.size = size
        self.image: Pixels = np.zeros((*size.shape, 4), np.uint8)
        self.owners: NDArray[np.uint16] = np.zeros(size.shape, np.uint16)
        self._parts: dict[tuple[int, int], int] = {}

    def part(self, label: int, instance: int = 0) -> int:
        """Return the number of a part, a new one the first time."""
        return self._parts.setdefault((label, instance), len(self._parts))

    def table(self, parts: Iterable[int]) -> NDArray[np.uint16]:
        """Return the (256,) table that gives mask values 1, 2 ... these parts."""
        table = np.zeros(256, np.uint16)
        for value, part in enumerate(parts, 1):
            table[value] = part
        return table

    def polygon(self, points: Floats, colour: Sequence[float], part: int | None) -> None:
        """Fill a polygon, convex or not; without a part it only paints."""
        self.fixed_polygon(fixed_point(points), colour, part)

    def fixed_polygon(self, fixed: Integers, colour: Sequence[float], part: int | None) -> None:
        """Fill a polygon whose corners `fixed_point` has made."""
        cv2.fillPoly(self.image, [fixed], colour, cv2.LINE_8, _SHIFT)
        if part is not None:
            cv2.fillPoly(self.owners, [fixed], part, cv2.LINE_8, _SHIFT)

    def window(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[int, int, int, int] | None:
        """Clip a box to whole pixels of the image: left, top, right, bottom, ends exclusive."""
        width, height = self.size
        if left >= width or top >= height or right < 0 or bottom < 0:
            return None
        return (
            max(math.floor(left), 0), max(math.floor(top), 0),
            min(math.ceil(right) + 1, width), min(math.ceil(bottom) + 1, height),
        )  # fmt: skip

    def own(self, fixed: Integers, part: int) -> None:
        """Give a polygon's pixels to a part without painting them."""
        cv2.fillConvexPoly(self.owners, fixed, part, cv2.LINE_8, _SHIFT)

    def box(self, points: Floats) -> tuple[int, int, int, int] | None:
        """Clip the box around points (N, 2) like `window`."""
        (left, top), (right, bottom) = points.min(0), points.max(0)
        return self.window(float(left), float(top), float(right), float(bottom))

    def paste(
        self,
        patch: Pixels,
        mask: Pixels,
        corner: tuple[int, int],
        parts: NDArray[np.uint16] | None = None,
    ) -> None:
        """Copy a patch where its mask is set.

        Args:
            patch: (h, w, 4), lies inside the image.
            mask: (h, w), 0 keeps what is there; other values look `parts` up.
            corner: Left column and top row of the patch.
            parts: (256,) table from mask values to parts; None leaves the owners to `own`.
        """
        height, width = mask.shape
        rows = slice(corner[1], corner[1] + height)
        columns = slice(corner[0], corner[0] + width)
        cv2.copyTo(patch, mask, self.image[rows, columns])
        if parts is not None:
            cv2.copyTo(cv2.LUT(mask, parts), mask, self.owners[rows, columns])

    def darken(self, mask: Pixels, corner: tuple[int, int]) -> None:
        """Multiply the image by a mask (h, w, 4) / 255 without changing what pixels are."""
        height, width = mask.shape[:2]
        target = self.image[corner[1] : corner[1] + height, corner[0] : corner[0] + width]
        target[:] = pixels(cv2.multiply(target, mask, scale=1 / 255))

    def truth(self) -> tuple[Pixels, NDArray[np.uint16]]:
        """Return labels (H, W) uint8 and instances (H, W) uint16."""
        table = np.array(list(self._parts) or [(255, 0)])
        labels = table[:, 0].astype(np.uint8)
        instances = table[:, 1].astype(np.uint16)
        return labels.take(self.owners, mode='clip'), instances.take(self.owners, mode='clip')
