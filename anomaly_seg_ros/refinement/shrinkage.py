# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class statistics drawn towards what is common to all classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.refinement.names import RefinementError


@dataclass(frozen=True)
class Shrinkage:
    """How far standardisation forgets that classes differ.

    SML (Jung et al., ICCV 2021, equation 3) takes all of what a class has of its own away. That
    is too much where part of it is deserved: what a network calls *motorcycle* or *person* scores
    high, and is also unknown more often than what it calls *road*. The mean that is taken away is
    therefore drawn towards that of all pixels, the deviation towards that within classes, as
    regularised discriminant analysis does with covariances (Friedman, Regularized Discriminant
    Analysis, Journal of the American Statistical Association, 1989).

    Args:
        mean: 0: each class its own mean, as SML; 1: all classes that of all pixels.
        std: 0: each class its own standard deviation, as SML; 1: all the one within classes, so
            that nothing but the scale of the score changes. Between them deviations are
            interpolated by their logarithms.

    Raises:
        RefinementError: A value is not within 0 and 1.
    """

    mean: float = 0.0
    std: float = 0.0

    def __post_init__(self) -> None:
        """Check both shares."""
        for name, value in (('mean', self.mean), ('std', self.std)):
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value <= 1:
                msg = f'received the shrinkage {value!r} of the {name}, expected 0 to 1'
                raise RefinementError(msg)

    def as_dict(self) -> dict[str, float]:
        """Return both shares by name."""
        return {'mean': self.mean, 'std': self.std}

    def __bool__(self) -> bool:
        """Tell whether anything is changed."""
        return self.mean > 0 or self.std > 0

    def apply(
        self, statistics: Mapping[str, Sequence[float]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the means and the standard deviations to standardise with, each (C,).

        Args:
            statistics: Of one score: ``count``, ``mean`` and ``std`` (above 0), one entry per
                class. Classes weigh by their counts, all alike where nothing was counted.
        """
        mean, std = (np.array(statistics[key], np.float64) for key in ('mean', 'std'))
        if not self:
            return mean, std
        count = np.array(statistics['count'], np.float64)
        weight = count if count.any() else np.ones_like(count)
        common = np.average(mean, weights=weight)
        within = np.sqrt(np.average(std**2, weights=weight))
        return (
            (1 - self.mean) * mean + self.mean * common,
            std ** (1 - self.std) * within**self.std,
        )


NO_SHRINKAGE = Shrinkage()
