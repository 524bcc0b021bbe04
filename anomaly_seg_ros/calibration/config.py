# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is promised about false alarms, and from which frames it is found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from anomaly_seg_ros.cleanup import CleanupConfig
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.refinement.shrinkage import Shrinkage

PIXEL, FRAME = 'pixel', 'frame'
LEVELS = (PIXEL, FRAME)
PROBABILITY, EXPECTATION = 'probability', 'expectation'
GUARANTEES = (PROBABILITY, EXPECTATION)


class CalibrationError(AnomalySegError):
    """A bundle cannot be calibrated as asked."""


@dataclass(frozen=True)
class Promise:
    """A bound on false alarms, in the sense in which it is kept.

    Args:
        rate: Of normal pixels (level ``pixel``: the mean over frames of the share of a frame's
            normal pixels in the mask) or of normal frames (level ``frame``: frames whose mask is
            not empty); above 0, below 1.
        level: One of `LEVELS`.
        guarantee: ``probability``: with `confidence`, over the choice of the calibration frames,
            the true rate is at most `rate`. ``expectation``: it is at most `rate` on average over
            that choice, which needs fewer frames and fails about every other time.
        confidence: Above 0.5, below 1; used by ``probability`` only.
        frame_limit: With how much a frame counts at most at the level ``pixel``, above `rate`, at
            most 1; None chooses by the number of frames, see `PixelThresholds`.

    Raises:
        CalibrationError: A value lies outside its range.
    """

    rate: float
    level: str = PIXEL
    guarantee: str = PROBABILITY
    confidence: float = 0.95
    frame_limit: float | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        _check_share('false-positive rate', self.rate, 0.0)
        _check_share('confidence', self.confidence, 0.5)
        _check_choice('level', self.level, LEVELS)
        _check_choice('guarantee', self.guarantee, GUARANTEES)
        if self.frame_limit is not None and not self.rate < self.frame_limit <= 1:
            msg = (
                f'received the frame limit {self.frame_limit!r}, expected a share above the '
                f'false-positive rate {self.rate:g}, at most 1'
            )
            raise CalibrationError(msg)

    @property
    def failure(self) -> float:
        """The probability with which the promise may fail."""
        return 1 - self.confidence


@dataclass(frozen=True)
class CalibrationConfig:
    """A calibration run.

    Args:
        promise: What the thresholds shall keep.
        scores: Which scores get thresholds; none means the card's own.
        refinements: Which refinements of them; none means all that the bundle offers.
        cleanup: The rules that masks will be cleaned by; persistence is left out, since it only
            removes from masks.
        every: Every how many frames of the source one is used, 1 or more.
        max_frames: Use at most so many frames, evenly spaced; None for all.
        statistics_share: The share of frames, from the first, that class statistics and ranges are
            taken from; the rest, which they know nothing of, gives the thresholds. Above 0, below
            1.
        keep_statistics: Leave the card's class statistics as they are.
        shrinkage: How far class statistics are drawn together from now on; None as the card says.

    Raises:
        CalibrationError: A value lies outside its range.
    """

    promise: Promise
    scores: tuple[str, ...] = ()
    refinements: tuple[str, ...] = ()
    cleanup: CleanupConfig = field(default_factory=CleanupConfig)
    every: int = 1
    max_frames: int | None = None
    statistics_share: float = 0.25
    keep_statistics: bool = False
    shrinkage: Shrinkage | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        _check_share('share of frames for statistics', self.statistics_share, 0.0)
        if self.every < 1:
            msg = f'received every {self.every} frames, expected 1 (all) or more'
            raise CalibrationError(msg)
        if self.max_frames is not None and self.max_frames < 2:
            msg = f'received at most {self.max_frames} frames, expected 2 or more'
            raise CalibrationError(msg)


def _check_share(name: str, value: Any, low: float) -> None:
    if not isinstance(value, (int, float)) or not math.isfinite(value) or not low < value < 1:
        msg = f'received the {name} {value!r}, expected a share above {low:g} and below 1'
        raise CalibrationError(msg)


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f'received the {name} {value!r}, expected one of: {", ".join(choices)}'
        raise CalibrationError(msg)
