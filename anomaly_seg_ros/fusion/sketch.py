# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The distribution of a score over any number of pixels, in eight megabytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.fusion.errors import FusionError

_BITS = 20
_SHIFT = 32 - _BITS
_SIGN = np.uint32(0x80000000)


class ScoreSketch:
    """Counts float32 values by the upper twenty of their bits: sign, exponent, eleven digits.

    The bits of a float32, negative ones inverted, are whole numbers in the order of the values.
    So the bins are as wide as a two-thousandth of a value, whatever its magnitude, and how many
    values lie at or above the lower edge of a bin is exact.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(1 << _BITS, np.int64)

    @property
    def count(self) -> int:
        """The number of values."""
        return int(self._counts.sum())

    def update(self, values: NDArray[Any]) -> None:
        """Add values of any shape, rounded to float32.

        Raises:
            FusionError: One is not finite. Nothing is added then.
        """
        flat = np.ascontiguousarray(values, np.float32).ravel()
        if not np.isfinite(flat).all():
            msg = 'received scores that are not finite, expected numbers from normal pixels'
            raise FusionError(msg)
        # Adding zero turns -0 into 0: two bit patterns of one value.
        bits = (flat + np.float32(0)).view(np.uint32)
        keys = np.where(bits & _SIGN, ~bits, bits | _SIGN) >> np.uint32(_SHIFT)
        self._counts += np.bincount(keys, minlength=1 << _BITS)

    def merge(self, other: ScoreSketch) -> None:
        """Add everything that `other` has counted."""
        self._counts += other._counts

    def survival(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where values are, and what share lies at or above.

        Returns:
            The lower edges of all bins that hold values, ascending, and the share of values at
            or above each edge, from 1 downward. Empty without values.
        """
        (bins,) = np.nonzero(self._counts)
        above = np.cumsum(self._counts[bins][::-1])[::-1]
        keys = bins.astype(np.uint32) << np.uint32(_SHIFT)
        bits = np.where(keys & _SIGN, keys & ~_SIGN, ~keys).astype(np.uint32)
        return bits.view(np.float32).astype(np.float64), above / max(self.count, 1)
