# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One pass over sorted scores, from the highest threshold down, in bounded memory.

Recall changes only at the scores of anomalous pixels, so their distinct values are all the
thresholds that matter; of the normal pixels only the number above each of them counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.metrics.runs import SAMPLE, Run

BLOCK = 1 << 21
"""Scores that are held in memory at once; more where there are very many runs."""


@dataclass(frozen=True)
class Step:
    """Some thresholds in descending order, each the score of an anomalous pixel.

    Args:
        thresholds: (T,) distinct scores.
        positives: (T,) anomalous pixels with that score.
        above: (T,) normal pixels with a higher score.
        not_below: (T,) normal pixels with the same or a higher score.
    """

    thresholds: NDArray[np.float32]
    positives: NDArray[np.int64]
    above: NDArray[np.int64]
    not_below: NDArray[np.int64]


def steps(
    positives: Sequence[Run], negatives: Sequence[Run], block: int = BLOCK
) -> Iterator[Step]:
    """Yield all thresholds, from the highest down.

    The range of scores is cut at sampled scores, so that between two cuts lie at most `block`
    scores. Scores equal to a cut are counted, not read: however many there are, they cost no
    memory.

    Args:
        positives: Scores of anomalous pixels.
        negatives: Scores of normal pixels.
        block: Scores between two cuts.
    """
    everything = [*positives, *negatives]
    stops = [run.size for run in everything]
    fresh = np.zeros(0, np.float32)
    if not positives:
        return
    samples = np.concatenate([run.sample for run in everything])
    samples.sort()
    # Between neighbours among the chosen samples lie `stride` - 1 others, hence of each run at
    # most so many times SAMPLE scores and once more SAMPLE.
    stride = max(block // SAMPLE - len(everything), 1)
    cuts = np.unique(samples[::stride])
    split = len(positives)
    passed = 0
    for cut in cuts[::-1]:
        places = [run.around(cut) for run in everything]
        starts = [right for _, right in places]
        found = _read(positives, starts[:split], stops[:split])
        inside = sum(stops[split:]) - sum(starts[split:])
        at_cut = [right - left for left, right in places]
        equal_positives, equal_negatives = sum(at_cut[:split]), sum(at_cut[split:])
        thresholds, counts = _distinct(_merged(found)) if found else (fresh, fresh.astype(int))
        not_above = below = np.zeros(0, np.int64)
        if found:
            segments = _read(negatives, starts[split:], stops[split:])
            below, not_above = _ranks(segments, thresholds)
        ends_at_cut = slice(0 if equal_positives else 1, None)
        reached = passed + inside
        if found or equal_positives:
            # Ascending, the cut itself first.
            yield Step(
                np.concatenate([[cut], thresholds])[ends_at_cut][::-1].astype(np.float32),
                np.concatenate([[equal_positives], counts])[ends_at_cut][::-1],
                np.concatenate([[reached], reached - not_above])[ends_at_cut][::-1],
                np.concatenate([[reached + equal_negatives], reached - below])[ends_at_cut][::-1],
            )
        passed = reached + equal_negatives
        stops = [left for left, _ in places]


def _read(
    runs: Sequence[Run], starts: Sequence[int], stops: Sequence[int]
) -> list[NDArray[np.float32]]:
    """Read a part of each run, where it is not empty."""
    parts = zip(runs, starts, stops, strict=True)
    return [run.read(start, stop) for run, start, stop in parts if stop > start]


def _merged(segments: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    if len(segments) == 1:
        return segments[0]
    values = np.concatenate(segments)
    values.sort()
    return values


def _distinct(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distinct values of an ascending array and how often each occurs."""
    firsts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    return values[firsts], np.diff(firsts, append=values.size)


def _ranks(
    segments: list[NDArray[np.float32]], thresholds: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each threshold how many values are lower, and how many are not higher."""
    below = np.zeros(thresholds.size, np.int64)
    not_above = np.zeros(thresholds.size, np.int64)
    size = sum(segment.size for segment in segments)
    # Sorting costs about as much per value as three searches per threshold and segment.
    if len(segments) > 1 and 3 * len(segments) * thresholds.size > size:
        segments = [_merged(segments)]
    for segment in segments:
        left = np.searchsorted(segment, thresholds, side='left')
        right = left.copy()
        tied = np.flatnonzero(segment.take(left, mode='clip') == thresholds)
        right[tied] = np.searchsorted(segment, thresholds[tied], side='right')
        below += left
        not_above += right
    return below, not_above
