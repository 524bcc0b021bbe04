# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cleaning the masks of a stream of frames."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.cleanup.components import Regions, find_regions
from anomaly_seg_ros.cleanup.config import CleanupConfig
from anomaly_seg_ros.mask import anomaly_mask

_NANOSECONDS = 1e9


class MaskCleaner:
    """Applies a configuration to the frames of one camera, in the order of time.

    What frames before have shown is forgotten when the size changes, when time goes back (a bag
    that is played again) and after a gap. Persistence only ever removes regions, and rests on the
    regions that each frame had before it.

    >>> cleaner = MaskCleaner(CleanupConfig(min_area=2))
    >>> score = np.zeros((1, 6), np.float32)
    >>> score[0, [1, 2, 5]] = 1
    >>> cleaner.clean(score, 0.5).tolist()
    [[0, 255, 255, 0, 0, 0]]

    Args:
        config: The rules.
    """

    def __init__(self, config: CleanupConfig | None = None) -> None:
        self._config = config or CleanupConfig()
        self._history: deque[NDArray[np.bool_]] = deque()
        self._shape: tuple[int, int] | None = None
        self._stamp: int | None = None

    @property
    def config(self) -> CleanupConfig:
        """The rules; setting others keeps the memory of earlier frames where it still fits."""
        return self._config

    @config.setter
    def config(self, config: CleanupConfig) -> None:
        if config.reach != self._config.reach:
            self.reset()
        self._config = config

    def reset(self) -> None:
        """Forget all earlier frames."""
        self._history.clear()
        self._shape = self._stamp = None

    def clean(
        self,
        score: NDArray[np.float32],
        threshold: float,
        *,
        score_range: tuple[float, float] | None = None,
        stamp: int | None = None,
    ) -> NDArray[np.uint8]:
        """Return the mask of the next frame.

        Args:
            score: (H, W), higher = more anomalous; NaN counts as normal.
            threshold: Pixels above it are anomalous.
            score_range: (low, high) of the score, from the card; only needed with hysteresis.
            stamp: Nanoseconds; None where time is not known, then there are no gaps.

        Returns:
            (H, W) uint8, 255 anomalous, 0 normal.

        Raises:
            CleanupError: `score` is no map, or hysteresis is on without a range.
        """
        config = self._config
        if not config.active:
            self.reset()
            return anomaly_mask(score, threshold)
        low = config.low_threshold(threshold, score_range)
        regions = find_regions(score, threshold, low, config.min_area)
        self._forget(regions.shape, stamp)
        if config.persistence[1] > 1:
            regions = self._persistent(regions)
        return regions.mask()

    def _forget(self, shape: tuple[int, int], stamp: int | None) -> None:
        """Reset where the frame does not continue those before it, and note it."""
        if shape != self._shape:
            self.reset()
        elif stamp is not None and self._stamp is not None:
            elapsed = (stamp - self._stamp) / _NANOSECONDS
            if not 0 <= elapsed <= self._config.max_gap:
                self.reset()
        self._shape, self._stamp = shape, stamp

    def _persistent(self, regions: Regions) -> Regions:
        """Keep the regions that touch regions of enough earlier frames; note this frame's."""
        needed, frames = self._config.persistence
        while len(self._history) > frames - 1:
            self._history.popleft()
        seen = np.ones(regions.kept.shape, np.int32)
        for earlier in self._history:
            touched = np.zeros(regions.kept.shape, np.bool_)
            touched[regions.region[earlier[regions.pixels]]] = True
            seen += touched
        self._history.append(self._widened(regions))
        return regions.narrowed(seen >= needed)

    def _widened(self, regions: Regions) -> NDArray[np.bool_]:
        """Return (H * W,) bool: the pixels within reach of the regions that stay."""
        side = 2 * self._config.reach + 1
        wide = cv2.dilate(regions.mask(), np.ones((side, side), np.uint8))
        return np.greater(wide, 0).reshape(-1)
