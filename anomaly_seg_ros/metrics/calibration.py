# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Does a confidence of 80 % mean 80 % correct? Expected calibration error, streamed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.metrics.errors import MetricError

BINS = 15
_SLACK = 1e-4
"""By so much a sum of float32 probabilities may exceed 1."""


@dataclass(frozen=True)
class CalibrationResult:
    """Figures of one set, fractions in [0, 1]; None where no pixel counts.

    Args:
        ece: Expected calibration error: mean over pixels of |accuracy - confidence| of their bin.
        mce: Maximum calibration error: the largest of these over bins that hold pixels.
        confidence: Mean confidence of each bin, None for an empty one.
        accuracy: Share of correct pixels of each bin, None for an empty one.
        counts: Pixels of each bin.
        pixels: Pixels with a ground-truth class.
    """

    ece: float | None
    mce: float | None
    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    counts: tuple[int, ...]
    pixels: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


class CalibrationError:
    """Expected calibration error with bins of equal width.

    The estimator of Guo et al. 2017, "On Calibration of Modern Neural Networks". Bin m of M holds
    confidences in ((m - 1) / M, m / M], the first one 0 too.

    Args:
        bins: The number of bins.
    """

    def __init__(self, bins: int = BINS) -> None:
        if bins < 1:
            msg = f'received {bins} bins, expected at least 1'
            raise ValueError(msg)
        self.bins = bins
        self._counts: NDArray[np.int64] = np.zeros(bins, np.int64)
        self._correct: NDArray[np.int64] = np.zeros(bins, np.int64)
        self._confidence: NDArray[np.float64] = np.zeros(bins, np.float64)

    def update(
        self, confidence: NDArray[Any], prediction: NDArray[Any], target: NDArray[Any]
    ) -> None:
        """Add one or more images.

        Args:
            confidence: Floats in [0, 1] of any shape, the probability of the predicted class.
            prediction: Integer labels of the same shape.
            target: Integer labels of the same shape; 255 is ignored.

        Raises:
            MetricError: Shapes differ, confidences are no floats or lie outside [0, 1] where they
                count. Nothing is added then.
        """
        confidence, prediction = np.asarray(confidence), np.asarray(prediction)
        target = np.asarray(target)
        if not confidence.shape == prediction.shape == target.shape:
            msg = (
                f'the confidence has shape {confidence.shape}, the prediction {prediction.shape} '
                f'and the ground truth {target.shape}: expected one shape'
            )
            raise MetricError(msg)
        if not np.issubdtype(confidence.dtype, np.floating):
            msg = f'received confidences of type {confidence.dtype}, expected floats'
            raise MetricError(msg)
        counted = target != IGNORE
        values = confidence[counted].astype(np.float64)
        if not np.all((values >= 0) & (values <= 1 + _SLACK)):
            low, high = (float(v) for v in (values.min(), values.max()))
            msg = (
                f'received confidences from {low:g} to {high:g}, expected probabilities in '
                '[0, 1]: take a softmax of logits first'
            )
            raise MetricError(msg)
        place = np.clip(np.ceil(values * self.bins).astype(np.int64) - 1, 0, self.bins - 1)
        correct = prediction[counted] == target[counted]
        self._counts += np.bincount(place, minlength=self.bins)
        self._correct += np.bincount(place[correct], minlength=self.bins)
        self._confidence += np.bincount(place, np.minimum(values, 1.0), self.bins)

    def merge(self, other: CalibrationError) -> None:
        """Add the pixels of `other`.

        Raises:
            ValueError: The numbers of bins differ.
        """
        if other.bins != self.bins:
            msg = f'cannot add {other.bins} bins to {self.bins}'
            raise ValueError(msg)
        self._counts += other._counts
        self._correct += other._correct
        self._confidence += other._confidence

    def compute(self) -> CalibrationResult:
        """Return the figures of everything added so far."""
        pixels = int(self._counts.sum())
        gaps = np.abs(self._correct - self._confidence)
        there = np.flatnonzero(self._counts)

        def means(sums: NDArray[Any]) -> tuple[float | None, ...]:
            pairs = zip(sums.tolist(), self._counts.tolist(), strict=True)
            return tuple(total / count if count else None for total, count in pairs)

        return CalibrationResult(
            ece=float(gaps.sum()) / pixels if pixels else None,
            mce=float(np.max(gaps[there] / self._counts[there])) if pixels else None,
            confidence=means(self._confidence),
            accuracy=means(self._correct),
            counts=tuple(self._counts.tolist()),
            pixels=pixels,
        )
