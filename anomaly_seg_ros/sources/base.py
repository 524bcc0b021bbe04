# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every source of frames offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.errors import AnomalySegError


class SourceError(AnomalySegError):
    """A source cannot be read."""


@dataclass(frozen=True)
class SourceFrame:
    """One frame.

    Args:
        image: (H, W, 3) uint8 RGB.
        stamp: Nanoseconds: since the first frame, or as recorded (see `FrameSource.recorded`).
        name: What to call the frame in messages: a file's stem or a number.
        labels: (H, W) uint8 train ids, 255 ignored; None without ground truth.
        anomaly: (H, W) uint8: 0 normal, 1 anomaly, 255 ignored; None without ground truth.
    """

    image: NDArray[np.uint8]
    stamp: int
    name: str
    labels: NDArray[np.uint8] | None = None
    anomaly: NDArray[np.uint8] | None = None


class FrameSource(Protocol):
    """Frames in the order of time, read while iterating; iterating again begins again."""

    description: str
    """What it is, in a few words with its path."""
    expected: int | None
    """How many frames will come, as far as known beforehand."""
    recorded: bool
    """Whether stamps are times of recording instead of times since the first frame."""

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield all frames.

        Raises:
            SourceError: A frame cannot be read; those before it have been yielded.
        """
        ...
