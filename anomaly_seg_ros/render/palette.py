# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labels and scores as colours, through look-up tables."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.render.errors import RenderError, check_map

Pixels = NDArray[np.uint8]
ScoreRange = tuple[float, float]

MASK_COLOUR = (0, 255, 255)
"""Cyan: no Cityscapes class and no heat colour comes near it."""


@lru_cache(maxsize=16)
def class_table(classes: ClassSet) -> Pixels:
    """Return the (1, 256, 3) table from labels to colours; labels of no class are black."""
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(classes)] = classes.palette
    return table


@lru_cache(maxsize=1)
def heat_table() -> Pixels:
    """Return the (1, 256, 3) table of the heat colours: black, purple, orange, pale yellow."""
    # Inferno's lightness rises evenly, so equal steps of the score look equally large.
    ramp = np.arange(256, dtype=np.uint8)[None]
    bgr = cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(bgr[:, :, ::-1]).astype(np.uint8)


def colorize(labels: Pixels, classes: ClassSet = CITYSCAPES) -> Pixels:
    """Return a label map (H, W) uint8 in its classes' colours, (H, W, 3) uint8.

    Labels without a class, such as 255, become black.

    Raises:
        RenderError: The labels have another shape or type.
    """
    check_map(labels, None, 'the labels', 'u')
    if labels.dtype != np.uint8:
        msg = f'received labels of type {labels.dtype}, expected uint8'
        raise RenderError(msg)
    return look_up(labels, class_table(classes))


def heat(score: NDArray[np.floating], score_range: ScoreRange | None = None) -> Pixels:
    """Return a score map (H, W) as heat colours, (H, W, 3) uint8.

    Args:
        score: Higher is hotter; NaN is coldest, infinite values take the ends of the range.
        score_range: The scores that become the coldest and the hottest colour; None takes the
            lowest and highest finite score of this map.

    Raises:
        RenderError: The score has another shape or type, or the range is empty.
    """
    return look_up(heat_index(score, score_range), heat_table())


def look_up(index: Pixels, table: Pixels) -> Pixels:
    """Apply a (1, 256, 3) table to (H, W) uint8."""
    return cv2.LUT(cv2.cvtColor(index, cv2.COLOR_GRAY2RGB), table).astype(np.uint8, copy=False)


def heat_index(score: NDArray[np.floating], score_range: ScoreRange | None) -> Pixels:
    """Return scores as 0 (lower end of the range, or NaN) to 255 (upper end)."""
    check_map(score, None, 'the score', 'f')
    low, high = finite_range(score) if score_range is None else check_range(score_range)
    # Half precision is widened, a private copy is needed for what is replaced below.
    values = np.array(score, np.float32)
    cv2.patchNaNs(values, low)
    np.clip(values, low, high, out=values)
    gain = 255 / (high - low)
    return cv2.convertScaleAbs(values, alpha=gain, beta=-low * gain).astype(np.uint8, copy=False)


def check_range(score_range: ScoreRange) -> ScoreRange:
    """Return a range as floats.

    Raises:
        RenderError: It is not two finite numbers, the lower first.
    """
    try:
        low, high = (float(v) for v in score_range)
    except (TypeError, ValueError):
        low, high = float('nan'), float('nan')
    if not np.isfinite([low, high]).all() or low >= high:
        msg = f'received the score range {score_range!r}, expected (low, high) with low < high'
        raise RenderError(msg)
    return low, high


def finite_range(score: NDArray[np.floating]) -> ScoreRange:
    """Return the lowest and highest finite score, never equal."""
    low, high = float(score.min()), float(score.max())
    if not np.isfinite([low, high]).all():
        finite = score[np.isfinite(score)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if low < high else (low, low + 1.0)
