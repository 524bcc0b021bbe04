# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames from the generator of street scenes."""

from __future__ import annotations

from collections.abc import Iterator

from anomaly_seg_ros.bags.cdr import NANOSECONDS
from anomaly_seg_ros.sources.base import SourceFrame
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip


class SyntheticSource:
    """A synthetic clip; its ground truth is exact.

    Args:
        config: The clip.
    """

    recorded = False

    def __init__(self, config: SceneConfig) -> None:
        self._config = config
        self.expected: int | None = config.frames
        self.description = f'a synthetic clip of {config.frames} frames, seed {config.seed}'

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield all frames."""
        for index, frame in enumerate(StreetClip(self._config)):
            stamp = round(index * NANOSECONDS / self._config.fps)
            yield SourceFrame(frame.image, stamp, f'{index:06d}', frame.labels, frame.anomaly)
