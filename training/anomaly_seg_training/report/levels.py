# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thresholds that a slider stops at, and score maps in steps of exactly these.

A map that is rounded to evenly spaced values shows masks that are slightly wrong everywhere, and
wastes most of its values where no threshold is of interest. Here the slider's stops come first: at
most 255 thresholds, spread evenly over the true positive rate and over the logarithm of the false
positive rate. A pixel is stored as the number of them that its score is above. At each stop the
mask ``score > threshold`` is then exact, and a pixel takes one byte.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.metrics import AnomalyMetrics

MOST = 255
"""Stops: pixels that are above none and above all make 256 values of a byte."""
_LEAST_RATE = 1e-5
_POINTS = 4000


@dataclass(frozen=True)
class Stop:
    """A threshold at which the slider can stand.

    Args:
        threshold: Masks are score > threshold; a float32.
        tpr: True positive rate on the whole set; None where it is not known.
        fpr: False positive rate on the whole set.
        exact: Whether these rates are measured at this threshold, not between two others.
    """

    threshold: float
    tpr: float | None
    fpr: float | None
    exact: bool


@dataclass(frozen=True)
class Rates:
    """An ROC curve for masks that are score > threshold.

    Args:
        thresholds: (K,) float32, strictly descending.
        tpr: (K,) true positive rate, not descending.
        fpr: (K,) false positive rate, not descending.
    """

    thresholds: NDArray[np.float32]
    tpr: NDArray[np.float64]
    fpr: NDArray[np.float64]


def stored_rates(roc: Mapping[str, Sequence[float | None]]) -> Rates:
    """Return the stored ROC curve of a result.

    Args:
        roc: ``x``, ``y`` and ``thresholds`` of `metrics.Curve`: score >= threshold, from the
            highest to the lowest; None in place of an infinite threshold.
    """
    inclusive = np.array([math.inf if t is None else t for t in roc['thresholds']], np.float32)
    fpr, tpr = np.array(roc['x'], float), np.array(roc['y'], float)
    finite = np.isfinite(inclusive)
    inclusive, fpr, tpr = inclusive[finite], fpr[finite], tpr[finite]
    # score >= t is score > the next float below t.
    strict = np.nextafter(inclusive, np.float32(-math.inf))
    kept = np.isfinite(strict)
    return Rates(strict[kept], tpr[kept], fpr[kept])


def measured_rates(maps: Sequence[tuple[NDArray[np.float32], NDArray[np.uint8]]]) -> Rates | None:
    """Return the ROC curve of some images; None unless they hold both kinds of pixels.

    Args:
        maps: (H, W) scores and (H, W) targets: 0 normal, 1 anomaly, 255 ignored.
    """
    metrics = AnomalyMetrics()
    for score, target in maps:
        metrics.update(score, target)
    curves = metrics.curves(_POINTS)
    return None if curves is None else stored_rates(curves.roc.as_dict())


def stops(rates: Rates, extra: Sequence[float] = (), known: bool = True) -> list[Stop]:
    """Choose where the slider stops.

    Args:
        rates: From which thresholds are taken.
        extra: Further thresholds, for masks that are score > threshold.
        known: Whether the rates are those of the whole set; otherwise stops have none.

    Returns:
        At most `MOST`, thresholds ascending; those of `extra` among them.
    """
    wanted = np.unique(np.array([t for t in extra if math.isfinite(t)], np.float32))[:MOST]
    chosen = np.union1d(rates.thresholds[_even(rates, MOST - wanted.size)], wanted)
    rising = rates.thresholds[::-1]
    found = []
    for threshold in chosen.astype(np.float32):
        place = int(np.searchsorted(rising, threshold))
        exact = place < rising.size and rising[place] == threshold
        tpr = fpr = None
        # Above the highest threshold of a thinned curve nothing is known.
        if known and rising.size and threshold <= rising[-1]:
            tpr, fpr = (
                float(np.interp(threshold, rising, values[::-1]))
                for values in (rates.tpr, rates.fpr)
            )
        found.append(Stop(float(threshold), tpr, fpr, bool(exact)))
    return found


def codes(score: NDArray[np.floating[Any]], thresholds: Sequence[float]) -> NDArray[np.uint8]:
    """Return of each pixel how many thresholds its score is above.

    Args:
        score: (H, W), higher = more anomalous; NaN is above none.
        thresholds: Ascending, at most `MOST`, exact in float32.

    Returns:
        (H, W); the mask at threshold number k is ``codes > k``.
    """
    values = np.asarray(thresholds, np.float32)
    with np.errstate(over='ignore'):
        flat = score.astype(np.float32, copy=False).ravel()
    found = np.searchsorted(values, flat, side='left').astype(np.uint8)
    found[np.isnan(flat)] = 0
    return found.reshape(score.shape)


def _even(rates: Rates, count: int) -> NDArray[np.int64]:
    """Return at most `count` indices, even over TPR and the logarithm of FPR."""
    if rates.thresholds.size <= count:
        return np.arange(rates.thresholds.size)
    decades = -math.log10(_LEAST_RATE)
    way = rates.tpr + np.log10(np.maximum(rates.fpr, _LEAST_RATE)) / decades
    targets = np.linspace(way[0], way[-1], max(count, 0))
    return np.unique(np.searchsorted(way, targets).clip(0, way.size - 1))
