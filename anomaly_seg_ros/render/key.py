# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The key to an overlay's colours, drawn over its upper edge, where the sky is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from anomaly_seg_ros.classes import ClassSet
from anomaly_seg_ros.render.errors import check_image
from anomaly_seg_ros.render.legend import BACKGROUND, class_legend, colour_bar, mask_legend
from anomaly_seg_ros.render.palette import Pixels, ScoreRange

SMALLEST = (320, 160)
"""Width and height of the smallest images that get a key; in smaller ones it would hide all."""
_OPACITY = 0.8


@dataclass(frozen=True)
class Key:
    """What the colours of an overlay mean.

    Args:
        title: What the score is.
        classes: The classes whose colours are shown, None when they are not.
        score_range: The scores of the coldest and hottest colour, None when no heat is shown.
        threshold: Scores above it are in the mask, None when there is none.
    """

    title: str
    classes: ClassSet | None = None
    score_range: ScoreRange | None = None
    threshold: float | None = None


def draw_key(image: Pixels, key: Key) -> None:
    """Draw a key into an image (H, W, 3) uint8 RGB, in place; into small images nothing.

    Raises:
        RenderError: The image has another shape or type, or the key's range is empty.
    """
    check_image(image)
    height, width = image.shape[:2]
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return
    row = min(max(height // 32, 12), 40)
    panel = key_panel(key, width, row)
    if 3 * panel.shape[0] > height:
        # Many classes over a narrow image; the score is what matters.
        panel = key_panel(replace(key, classes=None), width, row)
    if not panel.size:
        return
    place = image[: panel.shape[0], : panel.shape[1]]
    place[:] = cv2.addWeighted(place, 1 - _OPACITY, panel, _OPACITY, 0)


@lru_cache(maxsize=4)
def key_panel(key: Key, width: int, row: int = 24) -> Pixels:
    """Return a key as a picture of its own.

    Args:
        key: What it explains.
        width: Its greatest width in pixels, at least 64.
        row: Height of a line in pixels, at least 8.

    Returns:
        (H, up to width, 3) uint8, RGB; it is shared between calls, so it must not be changed.

    Raises:
        RenderError: The key's range is empty or the picture too small.
    """
    blocks = []
    if key.score_range is not None:
        bar = min(19 * row, width if key.classes is None else width // 2)
        blocks.append(
            colour_bar(key.score_range, key.title, threshold=key.threshold, width=bar, row=row)
        )
    elif key.threshold is not None:
        blocks.append(mask_legend(f'{key.title} > {key.threshold:.3g}', row=row))
    if key.classes is not None:
        rest = width - sum(block.shape[1] for block in blocks)
        blocks.append(_classes(key.classes, max(rest, 64), row))
    if not blocks:
        return np.zeros((0, 0, 3), np.uint8)
    height = max(block.shape[0] for block in blocks)
    panel = np.full((height, sum(block.shape[1] for block in blocks), 3), BACKGROUND, np.uint8)
    left = 0
    for block in blocks:
        panel[: block.shape[0], left : left + block.shape[1]] = block
        left += block.shape[1]
    return panel[:, :width]


@lru_cache(maxsize=4)
def _classes(classes: ClassSet, width: int, row: int) -> Pixels:
    """Return the class legend; without a calibrated range the bar beside it is new every time."""
    return class_legend(classes, width=width, row=row)
