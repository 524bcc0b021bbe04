# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A source of painted frames with exact ground truth, for the tiny bundle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from support.tiny_bundle import INPUT_SIZE, UNKNOWN_COLOUR

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.sources import SourceFrame

BLOCK = 8
UNKNOWN = len(CITYSCAPES)


class Painted:
    """Blocks in random class colours and in the unknown colour, 64x32 pixels.

    Args:
        frames: How many.
        labels_every: Only every so many-th frame has labels.
    """

    description = 'painted blocks'
    recorded = False

    def __init__(self, frames: int, labels_every: int = 1) -> None:
        self.expected: int | None = frames
        self._labels_every = labels_every

    def __iter__(self) -> Iterator[SourceFrame]:
        palette = np.array([*CITYSCAPES.palette, UNKNOWN_COLOUR], np.uint8)
        rows, columns = INPUT_SIZE.height // BLOCK, INPUT_SIZE.width // BLOCK
        rng = np.random.default_rng(0)
        for index in range(self.expected or 0):
            ids = rng.integers(0, UNKNOWN + 1, (rows, columns))
            ids = ids.repeat(BLOCK, 0).repeat(BLOCK, 1)
            labels = np.where(ids == UNKNOWN, IGNORE, ids).astype(np.uint8)
            anomaly = (ids == UNKNOWN).astype(np.uint8)
            yield SourceFrame(
                palette[ids],
                index * 10**8,
                str(index),
                labels if index % self._labels_every == 0 else None,
                anomaly,
            )
