# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any engine on several views of an image: mirrored, and nearer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.engines.base import CONFIDENCE, LABELS, Engine, EngineError, check_image
from anomaly_seg_ros.size import Size

MAX_ZOOM = 4.0
_BYTES = (LABELS, CONFIDENCE)


class AugmentedEngine:
    """Averages an engine's scores over views of the image; labels are those of the plain image.

    An engine resizes whatever it gets to its network's size, so a view at another scale is a
    part of the image: at zoom z it is covered by overlapping parts of a z-th of its width and
    height, each of which fills the network. Where parts overlap, those whose middle is nearer
    weigh more, so that no seam shows.

    Cost: one run of the engine for each view, 1 + n x n of them for zooms 1 and z with
    n = ceil(z), twice as many with `flip`.

    Args:
        engine: What runs each view; it belongs to this one from now on.
        flip: Look at every view mirrored left to right, too.
        zooms: From 1, the whole image, to 4; each counts the same in the mean.

    Raises:
        EngineError: A zoom is out of range, or there is none.
    """

    def __init__(
        self, engine: Engine, *, flip: bool = True, zooms: Sequence[float] = (1.0,)
    ) -> None:
        if not zooms or not all(1 <= zoom <= MAX_ZOOM for zoom in zooms):
            msg = f'received the zooms {list(zooms)}, expected one or more from 1 to {MAX_ZOOM:g}'
            raise EngineError(msg)
        self.engine = engine
        self.flip = flip
        self.zooms = tuple(float(zoom) for zoom in zooms)
        self.name = engine.name
        self.device = engine.device
        self.card = engine.card

    def run(self, image: NDArray[np.uint8], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run all views that `outputs` need; see `Engine.run`.

        Scores are means in float32; labels and confidence are those of the plain image.
        """
        check_image(image)
        scores = tuple(name for name in outputs if name not in _BYTES)
        if not scores:
            return self.engine.run(image, outputs)
        results: dict[str, NDArray[Any]] = {
            name: np.zeros(image.shape[:3], np.float32) for name in scores
        }
        for zoom in self.zooms:
            found = self._zoomed(image, outputs if zoom == 1 else scores, zoom)
            for name in scores:
                results[name] += found.pop(name) / np.float32(len(self.zooms))
            results.update(found)
        missing = tuple(name for name in outputs if name not in results)
        if missing:
            results.update(self.engine.run(image, missing))
        return results

    def warm_up(self, size: Size) -> None:
        """Run once on a black image; see `Engine.warm_up`."""
        self.engine.warm_up(size)

    def close(self) -> None:
        """Release the engine."""
        self.engine.close()

    def _zoomed(
        self, image: NDArray[np.uint8], outputs: Sequence[str], zoom: float
    ) -> dict[str, NDArray[Any]]:
        """Return scores blended from the parts of one zoom, and bytes of the whole image."""
        if zoom == 1:
            return self._both_ways(image, outputs)
        rows, columns = (_spans(length, zoom) for length in image.shape[1:3])
        sums = {name: np.zeros(image.shape[:3], np.float32) for name in outputs}
        total = np.zeros(image.shape[1:3], np.float32)
        for row in rows:
            for column in columns:
                found = self._both_ways(image[:, row, column], outputs)
                weight = np.outer(_tent(row), _tent(column))
                total[row, column] += weight
                for name, values in sums.items():
                    values[:, row, column] += weight * found[name]
        return {name: values / total for name, values in sums.items()}

    def _both_ways(
        self, image: NDArray[np.uint8], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        found = self.engine.run(image, outputs)
        scores = tuple(name for name in outputs if name not in _BYTES)
        if self.flip and scores:
            mirrored = self.engine.run(image[:, :, ::-1], scores)
            for name in scores:
                found[name] = (found[name] + mirrored[name][:, :, ::-1]) / np.float32(2)
        return found


def _spans(length: int, zoom: float) -> list[slice]:
    """Return equal parts of a side, ceil(zoom) of them, evenly spread and covering all of it."""
    count = min(math.ceil(zoom), length)
    size = max(math.ceil(length / zoom), 1)
    starts = [round(i * (length - size) / max(count - 1, 1)) for i in range(count)]
    spans = [slice(start, start + size) for start in starts]
    assert all(after.start <= before.stop for before, after in pairwise(spans))
    return spans


def _tent(span: slice) -> NDArray[np.float32]:
    """Return weights that fall linearly from the middle of a part to its ends, above 0."""
    size = span.stop - span.start
    distance = np.abs(np.arange(size) - (size - 1) / 2)
    weights: NDArray[np.float32] = (1 - distance / (size / 2 + 0.5)).astype(np.float32)
    return weights
