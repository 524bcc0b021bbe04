# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frames of a source are used, and for what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.calibration.config import CalibrationConfig, CalibrationError
from anomaly_seg_ros.sources import FrameSource, SourceFrame

SURVEY_FRAMES = 64
"""So many of the frames for statistics also give ranges and candidate thresholds."""


@dataclass(frozen=True)
class FramePlan:
    """Frames of a source, thinned and split in time.

    The first part gives class statistics, ranges and candidate thresholds, the second the
    threshold: the guarantee needs frames that nothing before has looked at.

    Args:
        source: Where they come from; read twice.
        step: Every how many frames one is used.
        statistics: How many frames the first part has, at least 1.
        total: How many frames are used, as far as known beforehand.
    """

    source: FrameSource
    step: int
    statistics: int
    total: int

    @classmethod
    def make(cls, source: FrameSource, config: CalibrationConfig) -> FramePlan:
        """Plan a calibration.

        Raises:
            CalibrationError: The source has fewer than two frames.
            SourceError: The source does not know its length and cannot be read to count.
        """
        available = source.expected
        if available is None:
            available = sum(1 for _ in source)
        step = config.every
        if config.max_frames is not None:
            step = max(step, -(-available // config.max_frames))
        total = -(-available // step)
        if total < 2:
            msg = (
                f'{source.description} gives {total} frames, expected at least 2: use a longer '
                'drive or a smaller --every'
            )
            raise CalibrationError(msg)
        first = min(max(round(config.statistics_share * total), 1), total - 1)
        return cls(source, step, first, total)

    @property
    def thresholds(self) -> int:
        """How many frames the second part has, as far as known beforehand."""
        return self.total - self.statistics

    @property
    def runs(self) -> int:
        """How many frames are run: the first part, then all that `survey` yields."""
        return self.statistics + -(-self.statistics // self._every) + self.thresholds

    @property
    def _every(self) -> int:
        return -(-self.statistics // SURVEY_FRAMES)

    def first_part(self) -> Iterator[SourceFrame]:
        """Yield the frames for class statistics."""
        yield from islice(self.source, 0, self.statistics * self.step, self.step)

    def survey(self) -> Iterator[tuple[SourceFrame, bool]]:
        """Yield some frames of the first part, then all of the second; True with the second."""
        for index, frame in enumerate(islice(self.source, 0, None, self.step)):
            if index >= self.statistics:
                yield frame, True
            elif index % self._every == 0:
                yield frame, False


def normal_pixels(frame: SourceFrame) -> NDArray[np.bool_] | None:
    """Return (H, W) bool, the pixels that are known to be normal; None means all.

    Frames without ground truth are taken as normal all over: that is what the user says of them.
    """
    if frame.anomaly is None:
        return None
    normal: NDArray[np.bool_] = frame.anomaly == 0
    return None if normal.all() else normal
