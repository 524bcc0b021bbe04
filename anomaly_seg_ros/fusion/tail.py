# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How rare a score is on normal data, as a monotone table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.fusion.errors import FusionError
from anomaly_seg_ros.fusion.sketch import ScoreSketch

_NORMAL = NormalDist()


def _log(tail: float) -> float:
    return -float(np.log(tail))


def _normal(tail: float) -> float:
    # The quantile of 1 - tail; a whole distribution above a score (tail 1) has none.
    return -_NORMAL.inv_cdf(min(tail, _LARGEST_TAIL))


TRANSFORMS: dict[str, Callable[[float], float]] = {'log': _log, 'normal': _normal}
"""From a tail probability to what is added: -ln p (Fisher) or the normal quantile (Stouffer)."""

TAILS = (1.0, 0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2,
         *(float(v) for v in 10.0 ** -np.arange(1, 6.01, 0.125)))  # fmt: skip
"""Where tables have knots: shares of normal pixels at or above, from all down to a millionth."""

_LARGEST_TAIL = 0.999
_FEWEST = 100
"""Knots beyond which fewer normal pixels lie than this say nothing; pixels come in clumps."""


@dataclass(frozen=True)
class TailTable:
    """The share of normal pixels at or above a score, P(S >= s), at some scores.

    Between knots the transform of the share is interpolated; below the first it stays, so that
    an unusually normal value is no evidence against what other scores have found; beyond the
    last it goes on with the last slope, as the tail of an exponential distribution does, so that
    all very rare scores keep their order.

    Args:
        scores: Ascending, at least two.
        tails: Descending, in (0, 1], one for each score.

    Raises:
        FusionError: They are none of that.
    """

    scores: tuple[float, ...]
    tails: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what is not monotone."""
        scores, tails = np.array(self.scores, np.float64), np.array(self.tails, np.float64)
        if len(scores) != len(tails) or len(scores) < 2:
            msg = (
                f'received a table of {len(scores)} scores and {len(tails)} tails, '
                'expected two or more pairs'
            )
            raise FusionError(msg)
        # Written so that NaN fails too.
        ascending = np.isfinite(scores).all() and (np.diff(scores) > 0).all()
        descending = tails[0] <= 1 and tails[-1] > 0 and (np.diff(tails) < 0).all()
        if not (ascending and descending):
            msg = (
                'received a table that is not monotone, expected finite ascending scores and '
                'descending tails in (0, 1]: fit the fusion again'
            )
            raise FusionError(msg)

    @classmethod
    def of(cls, sketch: ScoreSketch) -> TailTable:
        """Make the table of a distribution.

        Raises:
            FusionError: It holds too few values, or fewer than two different ones.
        """
        edges, survival = sketch.survival()
        if sketch.count < 2 * _FEWEST:
            msg = (
                f'received {sketch.count} normal pixels, expected at least {2 * _FEWEST}: '
                'give more normal images'
            )
            raise FusionError(msg)
        wanted = [tail for tail in TAILS if tail * sketch.count >= _FEWEST]
        # The first edge at or above which no more than the wanted share lies; survival descends.
        found = np.searchsorted(-survival, [-tail for tail in wanted], side='left')
        chosen = np.unique(np.minimum(found, len(edges) - 1))
        chosen = chosen[survival[chosen] * sketch.count >= _FEWEST]
        if len(chosen) < 2:
            msg = 'the score has one value on nearly all normal pixels, expected a distribution'
            raise FusionError(msg)
        return cls(tuple(edges[chosen].tolist()), tuple(survival[chosen].tolist()))

    def apply(self, values: NDArray[Any], transform: str) -> NDArray[np.float64]:
        """Return the transformed tail probability of scores of any shape.

        Raises:
            FusionError: The transform is unknown.
        """
        scores, heights = self._knots(transform)
        values = np.asarray(values, np.float64)
        slope = (heights[-1] - heights[-2]) / (scores[-1] - scores[-2])
        beyond = np.maximum(values - scores[-1], 0) * slope
        result: NDArray[np.float64] = np.interp(values, scores, heights) + beyond
        return result

    def _knots(self, transform: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if transform not in TRANSFORMS:
            msg = f'received the transform {transform!r}, expected one of: {", ".join(TRANSFORMS)}'
            raise FusionError(msg)
        return self._tables[transform]

    @cached_property
    def _tables(self) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        scores = np.array(self.scores, np.float64)
        return {
            name: (scores, np.array([function(tail) for tail in self.tails]))
            for name, function in TRANSFORMS.items()
        }
