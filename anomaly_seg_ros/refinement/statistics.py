# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class statistics of a score: what is normal where the network says *road*, *car*, *sky*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.refinement.names import RefinementError
from anomaly_seg_ros.refinement.shrinkage import NO_SHRINKAGE, Shrinkage

MIN_STD = 1e-6
MIN_RELATIVE_STD = 1e-3
_CHUNK = 1 << 16
"""Pixels at a time: what is computed from them stays in the cache."""


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """Pixels, mean and standard deviation per class, each (C,); ready to standardise with."""

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]


class ClassStatistics:
    """Mean and variance of one score per predicted class, over any number of images.

    Images are added one by one, in any order, and by any number of workers whose results are
    merged; no pixel is kept. Squares are taken of distances to the mean, never of the values
    themselves, so that nothing is lost where the mean is large (Welford 1962; Chan, Golub and
    LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979).

    SML takes them of the max logit on training images, over all pixels of each predicted class
    whether predicted right or wrong (Jung et al., Standardized Max Logits, ICCV 2021, section
    3.3); any other score works the same way.

    Args:
        num_classes: C, from 1 to 255.

    Raises:
        RefinementError: The number is out of range.
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= IGNORE:
            msg = f'received {num_classes} classes, expected 1 to {IGNORE}'
            raise RefinementError(msg)
        self.num_classes = num_classes
        self._count: NDArray[np.int64] = np.zeros(num_classes, np.int64)
        self._mean = np.zeros(num_classes)
        self._squares = np.zeros(num_classes)

    def update(
        self,
        score: NDArray[np.floating[Any]],
        labels: NDArray[np.uint8],
        ignore: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add the pixels of one image or of several.

        Args:
            score: Any shape, any floating type.
            labels: The predicted classes, of the same shape; 255 is left out.
            ignore: True where a pixel is left out, of the same shape.

        Raises:
            RefinementError: Shapes or types do not fit, a label is no class, or a score that
                counts is not finite; nothing has been added then.
        """
        if score.shape != labels.shape or (ignore is not None and ignore.shape != labels.shape):
            shapes = [a.shape for a in (score, labels, ignore) if a is not None]
            msg = f'received maps of the shapes {shapes}, expected one shape'
            raise RefinementError(msg)
        if labels.dtype != np.uint8 or not np.issubdtype(score.dtype, np.floating):
            msg = (
                f'received scores of {score.dtype} and labels of {labels.dtype}, '
                'expected floating scores and uint8 labels'
            )
            raise RefinementError(msg)
        if ignore is not None:
            labels = np.where(ignore, np.uint8(IGNORE), labels)
        flat_score, flat_labels = score.reshape(-1), labels.reshape(-1)
        fresh = ClassStatistics(self.num_classes)
        for start in range(0, flat_labels.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            fresh._add(flat_score[part], flat_labels[part])
        self.merge(fresh)

    def _add(self, score: NDArray[np.floating[Any]], labels: NDArray[np.uint8]) -> None:
        """Add one chunk: its own moments first, then their union with the rest."""
        classes = labels.astype(np.intp)
        values = score.astype(np.float64)
        counts = np.bincount(classes, minlength=IGNORE + 1)
        if counts[self.num_classes : IGNORE].any():
            wrong = self.num_classes + int(np.argmax(counts[self.num_classes : IGNORE] > 0))
            msg = (
                f'received the label {wrong}, expected classes below {self.num_classes} '
                f'or {IGNORE} for pixels to leave out'
            )
            raise RefinementError(msg)
        if counts[IGNORE]:
            # What is left out may be anything, even not a number.
            values = np.where(classes == IGNORE, 0.0, values)
        divisor = np.maximum(counts, 1)
        # Sums that overflow are reported below.
        with np.errstate(invalid='ignore', over='ignore'):
            means = np.bincount(classes, weights=values, minlength=IGNORE + 1) / divisor
            values -= means[classes]
            values *= values
            squares = np.bincount(classes, weights=values, minlength=IGNORE + 1)
        if not (np.isfinite(means).all() and np.isfinite(squares).all()):
            msg = 'received scores that are not finite numbers: check the network and its input'
            raise RefinementError(msg)
        known = slice(0, self.num_classes)
        self._unite(counts[known].astype(np.int64), means[known], squares[known].astype(float))

    def merge(self, other: ClassStatistics) -> None:
        """Add all pixels of another worker's statistics.

        Raises:
            RefinementError: The numbers of classes differ.
        """
        if other.num_classes != self.num_classes:
            msg = f'received {other.num_classes} classes, expected {self.num_classes}'
            raise RefinementError(msg)
        self._unite(other._count, other._mean, other._squares)

    def _unite(
        self, count: NDArray[np.int64], mean: NDArray[np.float64], squares: NDArray[np.float64]
    ) -> None:
        total: NDArray[np.int64] = self._count + count
        share = count / np.maximum(total, 1)
        step = mean - self._mean
        self._mean = self._mean + step * share
        self._squares = self._squares + squares + step * step * share * self._count
        self._count = total

    @property
    def count(self) -> NDArray[np.int64]:
        """Pixels per class, (C,)."""
        return np.array(self._count, np.int64)

    def compute(self) -> ClassMoments:
        """Return what standardisation needs, defined for every class.

        The variance is unbiased. A class that was never predicted takes mean and deviation of
        all pixels together, one with a single pixel the deviation. No deviation is smaller than
        a thousandth of that of all pixels, nor than 1e-6: a class that happened to be constant
        would make its next pixel infinitely anomalous.

        Raises:
            RefinementError: Fewer than two pixels were seen.
        """
        total = int(self._count.sum())
        if total < 2:
            msg = f'received {total} pixels, expected at least two: add images'
            raise RefinementError(msg)
        mean = float(np.sum(self._mean * (self._count / total)))
        between = self._count * (self._mean - mean) ** 2
        pooled = float(np.sqrt((self._squares.sum() + between.sum()) / (total - 1)))
        std = np.sqrt(self._squares / np.maximum(self._count - 1, 1))
        std = np.where(self._count > 1, std, pooled)
        std = np.maximum(std, max(MIN_STD, MIN_RELATIVE_STD * pooled))
        return ClassMoments(self.count, np.where(self._count > 0, self._mean, mean), std)

    def to_json(self) -> dict[str, list[Any]]:
        """Return the lists ``count``, ``mean`` and ``std`` of `compute`, as a card holds them.

        Raises:
            RefinementError: Fewer than two pixels were seen.
        """
        moments = self.compute()
        return {key: getattr(moments, key).tolist() for key in ('count', 'mean', 'std')}

    @classmethod
    def from_json(cls, content: Mapping[str, Sequence[Any]]) -> ClassStatistics:
        """Take up statistics that `to_json` wrote, to add to them.

        Raises:
            RefinementError: The lists differ in length or hold impossible values.
        """
        try:
            count = np.array(content['count'], np.int64)
            mean, std = (np.array(content[key], np.float64) for key in ('mean', 'std'))
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            msg = f'received statistics that cannot be read ({error}): take them anew'
            raise RefinementError(msg) from error
        possible = count.ndim == 1 and count.shape == mean.shape == std.shape
        if not (possible and np.isfinite(mean).all() and np.isfinite(std).all()) or (
            min(count.min(initial=0), std.min(initial=0)) < 0
        ):
            msg = (
                'received impossible statistics, expected the lists count, mean and std, one '
                'finite entry per class: take them anew'
            )
            raise RefinementError(msg)
        statistics = cls(len(count))
        statistics._count = count
        statistics._mean = np.where(count > 0, mean, 0.0)
        statistics._squares = std * std * np.maximum(count - 1, 0)
        return statistics


def statistics_table(
    statistics: Mapping[str, Mapping[str, Sequence[float]]] | None,
    scores: Sequence[str],
    num_classes: int,
    shrinkage: Shrinkage = NO_SHRINKAGE,
) -> NDArray[np.float32]:
    """Return the class statistics as a detector takes them.

    Args:
        statistics: Of a card: per score the lists ``count``, ``mean`` and ``std``.
        scores: The detector's scores, in its order.
        num_classes: C.
        shrinkage: How far they are drawn together.

    Returns:
        (S, 2, C) float32: per score the means and the standard deviations; 0 and 1, which change
        nothing, for scores without statistics.
    """
    table = np.zeros((len(scores), 2, num_classes), np.float32)
    table[:, 1] = 1
    for row, score in zip(table, scores, strict=True):
        if statistics is not None and score in statistics:
            row[0], row[1] = shrinkage.apply(statistics[score])
    return table
