# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which thresholds come into question, and the range of a score, from frames set apart for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.calibration.config import CalibrationError

THRESHOLDS = 1024
"""Candidates; they lie densest where the tails of the frames do."""
DISPLAY = (0.05, 0.999)
"""Quantiles of normal pixels that the range for display spans."""
_RATIO = 1.15
_SAMPLE = 8192
_BEYOND = np.array([0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0])
"""How far candidates go beyond the largest score seen, in units of the score's range."""


class ScoreSurvey:
    """Looks at the scores of a few frames, of which it keeps some thousand values each.

    Args:
        name: Of the output, for error messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tails: list[NDArray[np.float32]] = []
        self._samples: list[NDArray[np.float32]] = []

    def update(self, score: NDArray[np.float32], normal: NDArray[np.bool_] | None = None) -> None:
        """Add a frame.

        Args:
            score: (H, W), finite, higher = more anomalous.
            normal: (H, W), which pixels count; None for all.
        """
        values = score.reshape(-1) if normal is None else score[normal]
        if values.size == 0:
            return
        values = np.sort(values)
        ranks = _RATIO ** np.arange(1 + int(np.log(values.size) / np.log(_RATIO)))
        places = np.unique(values.size - ranks.astype(np.int64))
        self._tails.append(values[places])
        step = max(values.size // _SAMPLE, 1)
        # From the middle of each step, so that neither end is left out more than the other.
        self._samples.append(values[step // 2 :: step])

    def score_range(self) -> tuple[float, float]:
        """Return the `DISPLAY` quantiles of all normal pixels; low < high.

        Raises:
            CalibrationError: No frame had a normal pixel.
        """
        low, high = (float(v) for v in np.quantile(self._all(self._samples), DISPLAY))
        # A constant score, as of a network that is never in doubt, has a range all the same.
        return low, max(high, low + 1e-6 * max(abs(low), 1.0))

    def candidates(self, rate: float) -> NDArray[np.float32]:
        """Return thresholds, (G,) ascending and different, G <= `THRESHOLDS` + 8.

        From one with a hundred times the rate of false alarms to well beyond the largest score.

        Raises:
            CalibrationError: No frame had a normal pixel.
        """
        lowest = np.quantile(self._all(self._samples), 1 - min(100 * rate, 0.9))
        values = np.unique(self._all(self._tails))
        values = values[values >= min(lowest, values[-1])]
        places = np.linspace(0, values.size - 1, min(THRESHOLDS, values.size)).round()
        low, high = self.score_range()
        beyond = values[-1] + _BEYOND * max(high - low, float(values[-1]) - high)
        return np.unique(
            np.concatenate([values[places.astype(np.intp)], beyond]).astype(np.float32)
        )

    def _all(self, parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        if not parts:
            msg = f'no normal pixel was seen for {self._name}: check the ground truth, if any'
            raise CalibrationError(msg)
        return np.concatenate(parts)
