# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finite-sample bounds: what a sample of losses or alarms proves about the next frames.

No assumption is made about the distribution of the losses but their range, and that frames are
independent draws from the same drives (for `conformal_alarms` and `expected_loss`:
exchangeable).

* S. Bates, A. Angelopoulos, L. Lei, J. Malik and M. Jordan, Distribution-Free, Risk-Controlling
  Prediction Sets, JACM 68 (2021): for a loss that falls with the threshold, the smallest
  threshold from which on every one passes a test of level delta keeps the risk with confidence
  1 - delta, without a correction for testing many (theorem 1).
* I. Waudby-Smith and A. Ramdas, Estimating Means of Bounded Random Variables by Betting, JRSS B
  86 (2024): the test, `Betting`.
* A. Angelopoulos, S. Bates, A. Fisch, L. Lei and T. Schuster, Conformal Risk Control, ICLR 2024:
  the bound in expectation, `expected_loss`.
* C. Clopper and E. Pearson, The Use of Confidence or Fiducial Limits Illustrated in the Case of
  the Binomial, Biometrika 26 (1934): `binomial_alarms`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_LARGEST_STAKE = 0.9
"""Of what may be staked at most; the rest survives a frame of the largest possible loss."""
_MAX_STAKES = 12


class Betting:
    """Tests, for many thresholds at once, whether the mean of losses is below a rate.

    A gambler who holds that the mean loss is below `rate` stakes a share of the capital on every
    frame; the capital is multiplied by ``1 + stake * (rate - loss)``. If the mean were `rate` or
    more, the bet would be fair or worse, and by Markov's inequality the capital would reach
    1 / failure with a probability of at most `failure`: a capital that large proves the rate.
    Several gamblers with fixed stakes share the capital (a mixture), so the proof does not
    depend on the order of the frames, and it needs no memory of them.

    Args:
        thresholds: G, how many thresholds are tested.
        rate: In the unit of the losses, above 0.
        limit: The largest possible loss, above `rate`.
        failure: The allowed probability of a wrong proof.
        frames: How many frames are expected; only sets the stakes.
    """

    def __init__(
        self, thresholds: int, rate: float, limit: float, failure: float, frames: int
    ) -> None:
        self._rate = rate / limit
        self._limit = limit
        self._failure = failure
        self._stakes = _stakes(self._rate, failure, frames)[:, np.newaxis]
        self._log_capital = np.zeros((len(self._stakes), thresholds))

    def update(self, losses: NDArray[np.float64]) -> None:
        """Add a frame.

        Args:
            losses: (G,), from 0 to the limit.
        """
        gains = self._stakes * (self._rate - losses / self._limit)
        self._log_capital += np.log1p(gains)

    def proven(self) -> NDArray[np.bool_]:
        """Return (G,) bool: for which thresholds the mean loss is proven to be below the rate."""
        capital = _log_mean_exp(self._log_capital)
        return np.asarray(capital >= -math.log(self._failure), np.bool_)


def betting_frames(rate: float, limit: float, failure: float) -> int:
    """Return how many frames without any loss prove a rate, the least that any calibration needs.

    Args:
        rate: Below `limit`.
        limit: The largest possible loss of a frame.
        failure: The allowed probability of a wrong proof.
    """

    def proven(frames: int) -> bool:
        stakes = _stakes(rate / limit, failure, frames)
        capital = _log_mean_exp(frames * np.log1p(stakes * rate / limit)[:, np.newaxis])
        return float(capital[0]) >= -math.log(failure)

    high = 1
    while not proven(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proven(middle) else (middle, high)
    return high


def expected_loss(total: NDArray[np.float64], frames: int, limit: float) -> NDArray[np.float64]:
    """Return the bound of conformal risk control: (sum of losses + limit) / (frames + 1).

    Where it is at most a rate, the expected loss of the next frame is (Conformal Risk Control,
    theorem 1).

    Args:
        total: (G,), the sum of the losses of `frames` frames at each threshold.
        frames: Their number.
        limit: The largest possible loss.
    """
    return (total + limit) / (frames + 1)


def binomial_alarms(frames: int, rate: float, failure: float) -> int:
    """Return how many of the calibration frames may alarm so that the true rate is proven.

    The largest k with P(Binomial(frames, rate) <= k) <= failure: the one-sided Clopper-Pearson
    bound. -1 where not even none would prove it.
    """
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    cumulated, alarms = 0.0, -1
    while alarms < frames:
        k = alarms + 1
        log_ways = math.lgamma(frames + 1) - math.lgamma(k + 1) - math.lgamma(frames - k + 1)
        cumulated += math.exp(log_ways + k * log_rate + (frames - k) * log_rest)
        if cumulated > failure:
            break
        alarms = k
    return alarms


def conformal_alarms(frames: int, rate: float) -> int:
    """Return how many of the calibration frames may alarm so that the next one does not.

    The next frame alarms with a probability of at most (k + 1) / (frames + 1), on average over
    calibration sets (split conformal prediction). -1 where none is too many.
    """
    # The product may come out a little below a whole number that it is.
    return min(math.floor((frames + 1) * rate * (1 + 1e-12)), frames + 1) - 1


def binomial_frames(rate: float, failure: float) -> int:
    """Return the least number of frames with which `binomial_alarms` proves anything."""
    return math.ceil(math.log(failure) / math.log1p(-rate) * (1 - 1e-12))


def conformal_frames(rate: float) -> int:
    """Return the least number of frames with which `conformal_alarms` promises anything."""
    return math.ceil(1 / rate * (1 - 1e-12)) - 1


def _stakes(rate: float, failure: float, frames: int) -> NDArray[np.float64]:
    """Return the stakes of the gamblers, (J,), largest first.

    The largest is right where losses vary little; the smallest is near sqrt(2 log(1 / failure) /
    (frames * variance)), the best one, for the largest variance that a mean of `rate` allows,
    which is `rate`.
    """
    smallest = math.sqrt(-2 * math.log(failure) / (max(frames, 1) * rate))
    count = 1 + math.ceil(math.log2(max(_LARGEST_STAKE / smallest, 2)))
    # A stake of 1 / (1 - rate) loses all at the largest loss.
    largest = _LARGEST_STAKE / (1 - rate)
    return np.asarray(largest * 0.5 ** np.arange(min(count, _MAX_STAKES)), np.float64)


def _log_mean_exp(values: NDArray[np.float64]) -> NDArray[np.float64]:
    top = values.max(axis=0)
    mean: NDArray[np.float64] = top + np.log(np.mean(np.exp(values - top), axis=0))
    return mean
