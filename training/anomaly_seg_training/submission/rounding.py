# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores in float16, in the same order, and what of the order is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST = float(np.finfo(np.float16).max)
"""Scores beyond it, 65504, are clipped: float16 would make infinity of them."""


@dataclass(frozen=True)
class RoundingLoss:
    """What rounding the scores of an image has done.

    Args:
        pixels: Of the image.
        clipped: Pixels whose score lies beyond the largest float16.
        distinct: Different scores before.
        kept: Different scores after.
        widest: Pixels in the largest group whose different scores became one.
    """

    pixels: int
    clipped: int
    distinct: int
    kept: int
    widest: int


def to_float16(
    score: NDArray[np.float32], centre: float = 0.0
) -> tuple[NDArray[np.float16], RoundingLoss]:
    """Round scores to float16 without changing their order: some that differ become equal.

    float16 has 11 significant bits, so numbers near 0 lie closest together.

    Args:
        score: (H, W) finite.
        centre: Taken off every score first, so that those near it keep most of their order; it
            must be one number for all images of a submission.

    Returns:
        (H, W) finite float16, and the loss.
    """
    ordered = np.sort(score, axis=None)
    rounded = _round(ordered, centre)
    new_score = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    starts = np.flatnonzero(np.concatenate([[True], rounded[1:] != rounded[:-1]]))
    scores_in = np.add.reduceat(new_score, starts, dtype=np.int64)
    pixels_in = np.diff(np.append(starts, ordered.size))
    merged = pixels_in[scores_in > 1]
    beyond = np.abs(score.astype(np.float64) - centre) > LARGEST
    loss = RoundingLoss(
        score.size, int(np.count_nonzero(beyond)), int(np.count_nonzero(new_score)), len(starts),
        int(merged.max(initial=0)),
    )  # fmt: skip
    return _round(score, centre), loss


def _round(score: NDArray[np.float32], centre: float) -> NDArray[np.float16]:
    # float64 keeps scores apart that only float16 is to merge.
    moved = score.astype(np.float64) - centre
    return np.clip(moved, -LARGEST, LARGEST).astype(np.float16)
