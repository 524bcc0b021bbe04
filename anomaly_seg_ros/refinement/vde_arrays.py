# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VDE on the CPU with NumPy: one thread and few passes over memory.

The same numbers as `vde`, which explains what is computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def refine(
    score: NDArray[np.float32],
    labels: NDArray[np.uint8],
    drivable: Sequence[int],
    threshold: float,
    raise_hole: float,
    lower_road: float,
    lower_outside: float,
) -> NDArray[np.float32]:
    """Refine scores; see `vde.vde_refine`.

    Args:
        score: (N, H, W); it is not changed.
        labels: (N, H, W).
        drivable: Labels of the drivable classes, at least one.
        threshold: The highest score of a true road pixel.
        raise_hole: Added in holes; threshold and amounts are in units of the score.
        lower_road: Subtracted on true road.
        lower_outside: Subtracted outside the region, in frames with true road.

    Returns:
        (N, H, W).
    """
    road = labels == drivable[0]
    for label in drivable[1:]:
        road |= labels == label
    road &= score <= np.float32(threshold)
    width = score.shape[-1]
    # arg max stops at the first true pixel of a row; in a row without any it says 0.
    first = road.argmax(-1)[..., None]
    last = width - 1 - road[..., ::-1].argmax(-1)[..., None]
    is_empty = ~np.take_along_axis(road, first, -1)
    first[is_empty] = width
    column = np.arange(width, dtype=np.int32)
    outside = column < first.astype(np.int32)
    outside |= column > last.astype(np.int32)
    # The three parts exclude each other, so their terms add up without rounding. One array of
    # the score's size is all that is made: the first touch of new memory costs most here.
    has_road = (~is_empty).any((-2, -1), keepdims=True)
    parts = (
        (outside, has_road * np.float32(-lower_outside), lower_outside),
        (road, np.float32(-lower_road), lower_road),
        (np.logical_not(outside | road), np.float32(raise_hole), raise_hole),
    )
    shift: NDArray[np.float32] | None = None
    for part, term, amount in parts:
        if amount:
            shift = part * term if shift is None else np.add(shift, part * term, shift)
    return score.copy() if shift is None else np.add(score, shift, shift)
