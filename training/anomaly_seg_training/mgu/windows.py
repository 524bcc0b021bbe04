# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rectangles of an image that are enough to compute."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

GRID = 32
"""Rectangles begin and end at multiples of this, so that networks see the same grid."""
_WORTH = 0.7
"""Share of the image up to which computing rectangles instead pays."""


@dataclass(frozen=True, eq=False)
class Window:
    """A rectangle of an image, and which of the image's pixels it is computed for.

    Args:
        rows: First row, and the one behind the last.
        columns: First column, and the one behind the last.
        pixels: (h, w) of the whole image, bool; all within the rectangle.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    pixels: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def area(self) -> int:
        """Pixels of the rectangle."""
        return self.shape[0] * self.shape[1]

    def of(self, image: Tensor) -> Tensor:
        """Return its part of (..., h, w), a view."""
        return image[..., slice(*self.rows), slice(*self.columns)]

    def joined(self, other: Window) -> Window:
        """Return the smallest one that holds both."""
        rows = min(self.rows[0], other.rows[0]), max(self.rows[1], other.rows[1])
        columns = (
            min(self.columns[0], other.columns[0]), max(self.columns[1], other.columns[1])
        )  # fmt: skip
        return Window(rows, columns, self.pixels | other.pixels)


def everything(pixels: Tensor) -> Window:
    """Return the whole image."""
    height, width = pixels.shape
    return Window((0, height), (0, width), pixels)


def around(pixels: Tensor, margin: int) -> Window:
    """Return one rectangle that holds the pixels and a margin, the whole image if that is less.

    Args:
        pixels: (h, w) bool.
        margin: In pixels; at the edges of the image less.
    """
    whole = everything(pixels)
    if not pixels.any():
        return whole
    window = _rectangle(pixels, margin)
    return window if window.area <= _WORTH * whole.area else whole


def cover(pixels: Tensor, margin: int) -> list[Window]:
    """Return rectangles that hold each pixel once as theirs, with a margin around all of theirs.

    Groups of pixels that lie apart have rectangles of their own, unless a common one is smaller;
    the whole image is returned where that is less to compute, or no pixel is set.

    Args:
        pixels: (h, w) bool.
        margin: In pixels; at the edges of the image less.
    """
    whole = everything(pixels)
    height, width = pixels.shape
    padded = functional.pad(pixels, (0, -width % GRID, 0, -height % GRID))
    cells = padded.unfold(0, GRID, GRID).unfold(1, GRID, GRID).any(3).any(2)
    count, groups = cv2.connectedComponents(cells.cpu().numpy().astype(np.uint8))
    places = torch.from_numpy(groups).to(pixels.device)
    places = places.repeat_interleave(GRID, 0).repeat_interleave(GRID, 1)[:height, :width]
    windows = [_rectangle(pixels & (places == group), margin) for group in range(1, count)]
    while pair := _smaller_together(windows):
        windows = [w for w in windows if w not in pair] + [pair[0].joined(pair[1])]
    if not windows or sum(window.area for window in windows) > _WORTH * whole.area:
        return [whole]
    return windows


def _smaller_together(windows: list[Window]) -> tuple[Window, Window] | None:
    for one, other in combinations(windows, 2):
        if one.joined(other).area <= one.area + other.area:
            return one, other
    return None


def _rectangle(pixels: Tensor, margin: int) -> Window:
    """Return the rectangle of at least one pixel and a margin, on the grid."""
    found = []
    for axis in (1, 0):
        places = pixels.any(axis).nonzero()[:, 0]
        first = max(0, int(places[0]) - margin) // GRID * GRID
        last = -(-(int(places[-1]) + 1 + margin) // GRID) * GRID
        found.append((first, min(pixels.shape[1 - axis], last)))
    return Window(found[0], found[1], pixels)
