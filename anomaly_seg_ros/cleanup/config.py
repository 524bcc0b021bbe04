# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What to clean away, the same dataclass from the command line and from ROS parameters."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from anomaly_seg_ros.errors import AnomalySegError

MAX_AREA = 2**31 - 1
MAX_FRAMES = 100
MAX_REACH = 512


class CleanupError(AnomalySegError):
    """A mask cannot be cleaned as asked."""


@dataclass(frozen=True)
class CleanupConfig:
    """Rules of a mask; the defaults switch all of them off.

    Args:
        hysteresis: How far the low threshold lies below the threshold, as a share of the way down
            to the low end of the score's range, 0 (off) to below 1. Pixels between the two
            thresholds belong to the mask where they are connected to a pixel above the threshold.
            A share means the same for every score, whatever its units and sign.
        min_area: Connected regions of fewer pixels are removed, 0 or more.
        persistence: (k, n): a region stays when it touches a region of at least k of the last n
            frames, its own among them; 1 <= k <= n <= 100. (1, 1) is off. The first k - 1 frames
            after a start or a gap give empty masks.
        reach: How far a region may have moved from one frame to another, in pixels, 0 to 512.
        max_gap: Seconds after which the frames before are forgotten, above 0.

    Raises:
        CleanupError: A value lies outside its range.
    """

    hysteresis: float = 0.0
    min_area: int = 0
    persistence: tuple[int, int] = (1, 1)
    reach: int = 8
    max_gap: float = 1.0

    def __post_init__(self) -> None:
        """Check every field, so that cleaning cannot fail on a user's value."""
        if not _is_number(self.hysteresis) or not 0 <= self.hysteresis < 1:
            msg = (
                f'received the hysteresis {self.hysteresis!r}, expected a share from 0 (off) to '
                'below 1'
            )
            raise CleanupError(msg)
        _check_integer('min_area', self.min_area, MAX_AREA)
        _check_integer('reach', self.reach, MAX_REACH)
        if not _is_number(self.max_gap) or self.max_gap <= 0:
            msg = f'received the max_gap {self.max_gap!r}, expected seconds above 0'
            raise CleanupError(msg)
        pair = self.persistence
        if (
            not isinstance(pair, (tuple, list))
            or len(pair) != 2
            or not all(isinstance(v, int) and not isinstance(v, bool) for v in pair)
            or not 1 <= pair[0] <= pair[1] <= MAX_FRAMES
        ):
            raise _persistence_error(pair)
        object.__setattr__(self, 'persistence', (pair[0], pair[1]))

    @property
    def active(self) -> bool:
        """Whether any rule is on."""
        return self.hysteresis > 0 or self.min_area > 1 or self.persistence[0] > 1

    @staticmethod
    def parse_persistence(text: str) -> tuple[int, int]:
        """Read ``K/N``, for example ``2/3``; nothing means ``1/1``, off.

        Raises:
            CleanupError: The text has another form, or the numbers do not fit.
        """
        match = re.fullmatch(r'\s*(\d{1,3})\s*/\s*(\d{1,3})\s*', text)
        if not text.strip():
            return (1, 1)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MAX_FRAMES:
            raise _persistence_error(text)
        return int(match[1]), int(match[2])

    def low_threshold(self, threshold: float, score_range: tuple[float, float] | None) -> float:
        """Return the low threshold: ``threshold - hysteresis * (threshold - score_range[0])``.

        It never falls while the threshold rises, so a higher threshold never gives a larger mask.

        Args:
            threshold: The threshold.
            score_range: (low, high) of the score, from normal data; only needed with hysteresis.

        Raises:
            CleanupError: Hysteresis is on and the range is not known.
        """
        if self.hysteresis == 0:
            return threshold
        if score_range is None:
            msg = (
                'hysteresis needs the range of the score, which the card of the bundle does not '
                'have: run anomaly-seg calibrate, or set hysteresis to 0'
            )
            raise CleanupError(msg)
        return threshold - self.hysteresis * max(threshold - score_range[0], 0.0)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_integer(name: str, value: Any, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
        msg = f'received the {name} {value!r}, expected a whole number of pixels from 0 to {high}'
        raise CleanupError(msg)


def _persistence_error(value: Any) -> CleanupError:
    msg = (
        f'received the persistence {value!r}, expected K of N frames with 1 <= K <= N <= '
        f'{MAX_FRAMES}, for example 2/3'
    )
    return CleanupError(msg)
