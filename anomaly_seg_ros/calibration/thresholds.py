# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From frames to the lowest threshold that keeps a promise, with memory that does not grow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.calibration import bounds
from anomaly_seg_ros.calibration.config import (
    EXPECTATION,
    FRAME,
    CalibrationError,
    Promise,
)
from anomaly_seg_ros.calibration.shares import (
    ScoreRange,
    alarm_level,
    cleaned_shares,
    mask_shares,
)
from anomaly_seg_ros.cleanup import CleanupConfig

_LEAST_LIMIT = 10.0
"""A frame counts with ten times the rate at least, or the promise would say too little."""
_SLACK = 2.5
"""A limit that is chosen here leaves about so many times the least number of frames."""
_CLEANED_THRESHOLDS = 64
"""Every candidate needs the regions of every frame; fewer are looked at."""


@dataclass(frozen=True)
class ThresholdResult:
    """A threshold and what the calibration frames say about it.

    Args:
        threshold: Scores above it are anomalous; exact in float32.
        measured: The rate on the calibration frames themselves.
        frames: How many there were.
        effective_frames: How many independent frames they are worth, by the correlation of each
            frame's share with the share of the frame before.
        frame_limit: With how much a frame counted at most; None at the level ``frame``.
        method: The method in words.
    """

    threshold: float
    measured: float
    frames: int
    effective_frames: float
    frame_limit: float | None
    method: str


class Thresholds(Protocol):
    """Finds a threshold from the frames of a stream."""

    def update(self, score: NDArray[np.float32], normal: NDArray[np.bool_] | None = None) -> None:
        """Add a frame: (H, W) finite scores, and which pixels count (None for all)."""
        ...

    def result(self) -> ThresholdResult:
        """Return the lowest threshold that keeps the promise.

        Raises:
            CalibrationError: There are too few frames, or no candidate keeps it.
        """
        ...


def least_frames(promise: Promise) -> int:
    """Return how many calibration frames a promise needs at least."""
    if promise.level == FRAME:
        if promise.guarantee == EXPECTATION:
            return bounds.conformal_frames(promise.rate)
        return bounds.binomial_frames(promise.rate, promise.failure)
    limit = promise.frame_limit
    least = min(1.0, _LEAST_LIMIT * promise.rate) if limit is None else limit
    if promise.guarantee == EXPECTATION:
        return max(math.ceil(least / promise.rate * (1 - 1e-12)) - 1, 1)
    return bounds.betting_frames(promise.rate, least, promise.failure)


def check_frames(frames: int, promise: Promise) -> None:
    """Refuse too few calibration frames; say what would do.

    Raises:
        CalibrationError: There are too few.
    """
    least = least_frames(promise)
    if frames >= least:
        return
    sure = '' if promise.guarantee == EXPECTATION else f' with {promise.confidence:.0%} confidence'
    msg = (
        f'{frames} frames are left for the threshold, but {promise.rate:g} at the level '
        f'{promise.level}{sure} needs at least {least}: add frames'
    )
    if promise.level == FRAME and frames > 0:
        exact = 1 / (frames + 1)
        if promise.guarantee != EXPECTATION:
            exact = 1 - promise.failure ** (1 / frames)
        msg += f', or ask for a rate of {math.ceil(1e4 * exact) / 1e4:g} or more'
    if promise.frame_limit is not None:
        msg += ', or for a lower frame limit'
    elif promise.guarantee != EXPECTATION:
        weaker = least_frames(Promise(promise.rate, promise.level, EXPECTATION))
        msg += f', or for the guarantee {EXPECTATION} (at least {weaker})'
    raise CalibrationError(msg)


def chosen_limit(frames: int, promise: Promise) -> float:
    """Return with how much a frame counts at most.

    Nothing can be proven about the mean of shares that may be anything from 0 to 1 with fewer
    than log(1 / failure) / rate frames, 2995 for a rate of 0.001: a single frame in 1000 that is
    marked all over would break the promise. With fewer frames a frame therefore counts with a
    limited share, the larger the more frames there are; with enough frames it counts in full.
    """
    if promise.frame_limit is not None:
        return promise.frame_limit
    if promise.guarantee == EXPECTATION:
        largest = promise.rate * (frames + 1) / 2
    else:
        largest = promise.rate * frames / (_SLACK * -math.log(promise.failure))
    return min(1.0, max(largest, min(1.0, _LEAST_LIMIT * promise.rate)))


class PixelThresholds:
    """Keeps a promise about the share of normal pixels.

    The loss of a frame is the share of its normal pixels in the mask, at most `frame_limit`; it
    never rises with the threshold. The threshold is the lowest candidate from which on every
    candidate is proven (`bounds.Betting`), or bounded in expectation (`bounds.expected_loss`).
    Candidates are compared exactly as the mask is made, so no rounding comes in between.

    Args:
        promise: At the level ``pixel``.
        candidates: (G,) float32 ascending, chosen without looking at the frames that follow.
        frames: How many frames will come, about.
        cleanup: The rules of the mask; persistence is left out.
        score_range: (low, high) of the score, for hysteresis.
    """

    def __init__(
        self,
        promise: Promise,
        candidates: NDArray[np.float32],
        frames: int,
        cleanup: CleanupConfig,
        score_range: ScoreRange,
    ) -> None:
        self._promise = promise
        self._shares: Callable[
            [NDArray[np.float32], NDArray[np.bool_] | None], NDArray[np.float64]
        ]
        if cleanup.hysteresis > 0 or cleanup.min_area > 1:
            step = max(candidates.size / _CLEANED_THRESHOLDS, 1)
            # The last is always among them.
            places = candidates.size - 1 - np.arange(0, candidates.size, step).astype(np.intp)
            candidates = candidates[places[::-1]]
            self._shares = lambda score, normal: cleaned_shares(
                score, self._candidates, cleanup, score_range, normal
            )
        else:
            self._shares = lambda score, normal: mask_shares(score, self._candidates, normal)
        self._candidates = candidates
        self._limit = chosen_limit(frames, promise)
        count = candidates.size
        self._betting = bounds.Betting(count, promise.rate, self._limit, promise.failure, frames)
        self._frames = 0
        self._total = np.zeros(count)
        self._limited = np.zeros(count)
        self._squares = np.zeros(count)
        self._products = np.zeros(count)
        self._last = np.zeros(count)

    def update(self, score: NDArray[np.float32], normal: NDArray[np.bool_] | None = None) -> None:
        """Add a frame; one without a normal pixel says nothing and is left out."""
        if normal is not None and not normal.any():
            return
        self.update_shares(self._shares(score, normal))

    def update_shares(self, shares: NDArray[np.float64]) -> None:
        """Add a frame by its shares at every candidate, (G,), never rising."""
        losses = np.minimum(shares, self._limit)
        self._betting.update(losses)
        self._frames += 1
        self._total += shares
        self._limited += losses
        self._squares += losses * losses
        self._products += losses * self._last
        self._last = losses

    def result(self) -> ThresholdResult:
        """Return the lowest candidate that keeps the promise; see `Thresholds.result`."""
        promise, frames = self._promise, self._frames
        # The limit was chosen for the frames that were expected.
        check_frames(frames, replace(promise, frame_limit=self._limit))
        if promise.guarantee == EXPECTATION:
            bound = bounds.expected_loss(self._limited, frames, self._limit)
            kept = bound <= promise.rate
            method = 'conformal risk control (Angelopoulos et al., ICLR 2024)'
        else:
            kept = self._betting.proven()
            method = (
                'risk-controlling threshold (Bates et al., JACM 2021) by betting '
                f'(Waudby-Smith and Ramdas, JRSS B 2024), confidence {promise.confidence:g}'
            )
        # From which candidate on all are kept.
        first = kept.size - int(np.argmin(kept[::-1])) if not kept.all() else 0
        if first == kept.size:
            share = float(self._limited[-1]) / frames
            msg = (
                f'even the threshold {self._candidates[-1]:.6g}, far beyond the scores of the '
                f'first frames, marks {share:.2g} of the later frames, more than can be promised '
                f'as {promise.rate:g}: use drives whose parts are alike, or a higher rate'
            )
            raise CalibrationError(msg)
        return ThresholdResult(
            threshold=float(self._candidates[first]),
            measured=float(self._total[first]) / frames,
            frames=frames,
            effective_frames=self._effective(first),
            frame_limit=self._limit,
            method=f'{method}; a frame counts with at most {self._limit:.3g}',
        )

    def _effective(self, index: int) -> float:
        """Return n (1 - r) / (1 + r) for the correlation r with the frame before."""
        mean = float(self._limited[index]) / self._frames
        variance = float(self._squares[index]) / self._frames - mean * mean
        lagged = float(self._products[index]) / max(self._frames - 1, 1) - mean * mean
        if variance <= 1e-12 * mean * mean:
            return float(self._frames)
        return self._frames * _worth(lagged / variance)


class FrameThresholds:
    """Keeps a promise about the share of normal frames that alarm.

    A frame alarms where its cleaned mask is not empty. Every frame has a level from which on it
    does not (`shares.alarm_level`); the threshold is the level that as many frames may exceed as
    the bound allows. One number per frame is kept.

    Args:
        promise: At the level ``frame``.
        cleanup: The rules of the mask; persistence is left out.
        score_range: (low, high) of the score, for hysteresis.
    """

    def __init__(self, promise: Promise, cleanup: CleanupConfig, score_range: ScoreRange) -> None:
        self._promise = promise
        self._cleanup = cleanup
        self._range = score_range
        self._levels: list[float] = []

    def update(self, score: NDArray[np.float32], normal: NDArray[np.bool_] | None = None) -> None:
        """Add a frame; one without a normal pixel says nothing and is left out."""
        if normal is not None and not normal.any():
            return
        self.update_level(alarm_level(score, self._cleanup, self._range, normal))

    def update_level(self, level: float) -> None:
        """Add a frame by the level from which on it does not alarm."""
        self._levels.append(level)

    def result(self) -> ThresholdResult:
        """Return the lowest level that keeps the promise; see `Thresholds.result`."""
        promise, frames = self._promise, len(self._levels)
        check_frames(frames, promise)
        if promise.guarantee == EXPECTATION:
            allowed = bounds.conformal_alarms(frames, promise.rate)
            method = 'split conformal quantile of the level from which on a frame has no alarm'
        else:
            allowed = bounds.binomial_alarms(frames, promise.rate, promise.failure)
            method = (
                'Clopper-Pearson bound on the frames that alarm, '
                f'confidence {promise.confidence:g}'
            )
        levels = np.array(self._levels)
        threshold = float(np.sort(levels)[frames - 1 - allowed])
        alarms = (levels > threshold).astype(np.float64)
        return ThresholdResult(
            threshold=threshold,
            measured=float(alarms.mean()),
            frames=frames,
            effective_frames=frames * _worth(_lag_correlation(levels)),
            frame_limit=None,
            method=method,
        )


def _lag_correlation(values: NDArray[np.float64]) -> float:
    centred = values - values.mean()
    variance = float(np.mean(centred * centred))
    if variance == 0:
        return 0.0
    return float(np.mean(centred[1:] * centred[:-1])) / variance


def _worth(correlation: float) -> float:
    """Return how much a frame is worth that resembles the one before (a process of order one)."""
    correlation = min(max(correlation, 0.0), 1.0)
    return (1 - correlation) / (1 + correlation)
