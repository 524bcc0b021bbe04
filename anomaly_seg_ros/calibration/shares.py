# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much of a frame a mask holds, for many thresholds at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.cleanup import CleanupConfig, clean_mask

ScoreRange = tuple[float, float]


def mask_shares(
    score: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    normal: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the share of normal pixels above each threshold, exactly.

    Args:
        score: (H, W), finite, higher = more anomalous.
        thresholds: (G,) float32, ascending.
        normal: (H, W), which pixels count, at least one; None for all.

    Returns:
        (G,) from 0 to 1, never rising.
    """
    values = score.reshape(-1) if normal is None else score[normal]
    tail = values[values > thresholds[0]]
    # `below` is how many thresholds lie below a pixel: those it is marked at.
    below = np.searchsorted(thresholds, tail, side='left')
    counts = np.bincount(below, minlength=thresholds.size + 1)
    marked = np.cumsum(counts[::-1])[::-1][1:]
    return np.asarray(marked / values.size, np.float64)


def cleaned_shares(
    score: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    cleanup: CleanupConfig,
    score_range: ScoreRange,
    normal: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the share of normal pixels in the mask of each threshold after cleaning.

    See `mask_shares`; hysteresis and the minimum area are applied, persistence is not.
    """
    pixels = score.size if normal is None else int(np.count_nonzero(normal))
    score = without(score, normal)
    shares = np.zeros(thresholds.size)
    for index, threshold in enumerate(thresholds.tolist()):
        low = cleanup.low_threshold(threshold, score_range)
        mask = clean_mask(score, threshold, low, cleanup.min_area)
        shares[index] = np.count_nonzero(mask) / pixels
        if shares[index] == 0:
            break  # Masks never grow with the threshold.
    return shares


def alarm_level(
    score: NDArray[np.float32],
    cleanup: CleanupConfig,
    score_range: ScoreRange,
    normal: NDArray[np.bool_] | None = None,
) -> float:
    """Return a threshold from which on the cleaned mask of a frame is empty.

    Without clean-up it is the largest score, exactly. With hysteresis or a minimum area it is
    found by bisection, and is at most a 65536th of the score's range in the frame too high.

    Args:
        score: (H, W), finite, higher = more anomalous.
        cleanup: The rules; persistence is not applied.
        score_range: (low, high) of the score.
        normal: (H, W), which pixels count, at least one; None for all.
    """
    values = score.reshape(-1) if normal is None else score[normal]
    high = float(values.max())
    if cleanup.hysteresis == 0 and cleanup.min_area <= 1:
        return high
    score = without(score, normal)
    low = float(values.min())
    for _ in range(16):
        middle = float(np.float32((low + high) / 2))
        if not low < middle < high:
            break
        weak = cleanup.low_threshold(middle, score_range)
        if clean_mask(score, middle, weak, cleanup.min_area).any():
            low = middle
        else:
            high = middle
    return high


def without(score: NDArray[np.float32], normal: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Return the score with what does not count below every threshold."""
    return score if normal is None else np.where(normal, score, np.float32(-np.inf))
