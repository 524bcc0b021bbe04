# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One picture of what a detector says about an image, fast enough for every frame."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.render.errors import RenderError, check_image, check_map, check_share
from anomaly_seg_ros.render.key import Key, draw_key
from anomaly_seg_ros.render.palette import (
    MASK_COLOUR,
    Pixels,
    ScoreRange,
    check_range,
    colorize,
    finite_range,
    heat_index,
    heat_table,
    look_up,
)

CONTENTS = ('labels', 'score', 'both', 'mask')
"""What an overlay can show: class colours, heat, both, or neither; the mask is drawn in all."""

_MASK_FILL = 0.25


def overlay(
    image: Pixels,
    labels: Pixels | None = None,
    score: NDArray[np.floating] | None = None,
    mask: Pixels | None = None,
    *,
    classes: ClassSet = CITYSCAPES,
    content: str = 'both',
    alpha: float = 0.5,
    score_range: ScoreRange | None = None,
    title: str = '',
    threshold: float | None = None,
) -> Pixels:
    """Lay class colours, the score as heat and the mask's outline over an image.

    What is None is left out. Labels without a class leave the image as it is.

    Args:
        image: (H, W, 3) uint8, RGB; it is not changed.
        labels: (H, W) uint8.
        score: (H, W) float, higher = more anomalous; low scores are transparent.
        mask: (H, W) uint8 or bool, anomalous where not 0.
        classes: Names and colours of the labels.
        content: One of `CONTENTS`.
        alpha: Opacity of class and heat colours from 0 (only the mask shows) to 1.
        score_range: The scores shown as the coldest (transparent) and hottest colour; None
            takes this score map's own lowest and highest.
        title: What the score is, for a key to the colours; '' draws no key.
        threshold: The mask's, for the key.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        RenderError: An array has another shape or type, or an option is out of range.
    """
    check_image(image)
    check_share(alpha, 'alpha')
    if content not in CONTENTS:
        msg = f'received content {content!r}, expected one of {", ".join(CONTENTS)}'
        raise RenderError(msg)
    shape = image.shape[:2]
    result = image
    if labels is not None:
        check_map(labels, shape, 'the labels', 'u')
    if score is not None:
        check_map(score, shape, 'the score', 'f')
    coloured = labels is not None and content in ('labels', 'both') and alpha > 0
    heated = score is not None and content in ('score', 'both') and alpha > 0
    limits = None if score_range is None else check_range(score_range)
    if labels is not None and coloured:
        result = _blend_labels(result, labels, classes, alpha)
    if score is not None and heated:
        limits = limits or finite_range(score)
        result = _blend_heat(result, score, limits, alpha)
    if result is image:
        result = image.copy()
    if mask is not None:
        check_map(mask, shape, 'the mask', 'ub')
        outline_mask(result, mask)
    if title:
        key = Key(
            title,
            classes if coloured else None,
            limits if heated else None,
            None if mask is None else threshold,
        )
        draw_key(result, key)
    return result


def _blend_labels(image: Pixels, labels: Pixels, classes: ClassSet, alpha: float) -> Pixels:
    colours = colorize(labels, classes)
    blended = cv2.addWeighted(image, 1 - alpha, colours, alpha, 0, colours)
    unlabelled = (labels >= len(classes)).view(np.uint8)
    if cv2.countNonZero(unlabelled):
        cv2.copyTo(image, unlabelled, blended)
    return blended.astype(np.uint8, copy=False)


def _blend_heat(
    image: Pixels, score: NDArray[np.floating], score_range: ScoreRange, alpha: float
) -> Pixels:
    index = heat_index(score, score_range)
    colours, keep = _heat_blend_tables(round(alpha * 255))
    kept = cv2.multiply(image, look_up(index, keep), scale=1 / 255)
    return cv2.add(kept, look_up(index, colours), kept).astype(np.uint8, copy=False)


@lru_cache(maxsize=8)
def _heat_blend_tables(alpha: int) -> tuple[Pixels, Pixels]:
    """Return the tables of what heat adds to a pixel and what share of it heat leaves."""
    # The lower third is transparent: there a score says nothing but "ordinary".
    ramp = np.clip((np.arange(256) - 80) / (200 - 80), 0, 1)[None, :, None]
    opacity = ramp * ramp * (3 - 2 * ramp) * alpha / 255
    # The darkest heat colours would look like shadows; those left are easily told apart.
    colours = heat_table() * opacity
    keep = np.repeat(255 * (1 - opacity), 3, 2)
    return np.rint(colours).astype(np.uint8), np.rint(keep).astype(np.uint8)


def outline_mask(image: Pixels, mask: Pixels) -> None:
    """Draw a mask's outline and a faint fill into an image (H, W, 3), in place.

    The outline is 1 to 3 pixels wide, with the image's width, and lies inside and outside of
    the mask's edge.
    """
    solid = (mask != 0).view(np.uint8)
    left, top, width, height = cv2.boundingRect(solid)
    if width == 0:
        return
    reach = 1 + image.shape[1] // 1500
    rows = slice(max(top - reach, 0), top + height + reach)
    columns = slice(max(left - reach, 0), left + width + reach)
    region, inside = image[rows, columns], solid[rows, columns]
    paint = np.empty_like(region)
    paint[:] = MASK_COLOUR
    filled = cv2.addWeighted(region, 1 - _MASK_FILL, paint, _MASK_FILL, 0)
    cv2.copyTo(filled, inside, region)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    grown = cv2.dilate(inside, kernel)
    shrunk = cv2.erode(inside, np.ones((3, 3), np.uint8))
    cv2.copyTo(paint, cv2.subtract(grown, shrunk), region)
