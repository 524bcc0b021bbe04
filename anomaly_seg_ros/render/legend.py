# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text, class legends and colour bars."""

from __future__ import annotations

import cv2
import numpy as np

from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.render.errors import RenderError, check_image
from anomaly_seg_ros.render.palette import Pixels, ScoreRange, check_range, heat_table

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BACKGROUND = (28, 28, 30)
_INK = (236, 236, 236)


def caption(image: Pixels, text: str, *, height: int = 24) -> Pixels:
    """Return an image with a strip of text above it.

    Args:
        image: (H, W, 3) uint8, RGB.
        text: One line; what does not fit is cut off. Letters outside ASCII become '?'.
        height: The strip's height in pixels, at least 8.

    Returns:
        (H + height, W, 3) uint8, RGB.

    Raises:
        RenderError: The image has another shape or type, or the strip is too low.
    """
    check_image(image)
    if height < 8:
        msg = f'received a caption height of {height}, expected at least 8 pixels'
        raise RenderError(msg)
    strip = np.full((height, image.shape[1], 3), _BACKGROUND, np.uint8)
    _write(strip, text, 6, height // 2, height)
    return np.concatenate([strip, image])


def class_legend(classes: ClassSet = CITYSCAPES, *, width: int = 1024, row: int = 24) -> Pixels:
    """Return colours and names of all classes in as many rows as they need.

    Args:
        classes: Names and colours.
        width: Width of the picture in pixels, at least 64.
        row: Height of a row in pixels, at least 8.

    Returns:
        (rows * row, width, 3) uint8, RGB.

    Raises:
        RenderError: The picture is too small for a legend.
    """
    if width < 64 or row < 8:
        msg = f'received a legend of width {width} and row {row}, expected at least 64 and 8'
        raise RenderError(msg)
    scale = _scale(row)
    cells = [row + 8 + cv2.getTextSize(name, _FONT, scale, 1)[0][0] + 10 for name in classes.names]
    cell = min(max(cells), width)
    columns = max(width // cell, 1)
    rows = -(-len(classes) // columns)
    picture = np.full((rows * row, width, 3), _BACKGROUND, np.uint8)
    for label, (name, colour) in enumerate(zip(classes.names, classes.palette, strict=True)):
        top, left = label // columns * row, label % columns * cell
        swatch = picture[top + row // 6 : top + row - row // 6, left + 4 : left + row]
        swatch[:] = colour
        _write(picture[top : top + row, left : left + cell], name, row + 6, row // 2, row)
    return picture


def colour_bar(
    score_range: ScoreRange, title: str = 'anomaly score', *, width: int = 1024, height: int = 24
) -> Pixels:
    """Return the heat colours from low to high with the scores at their ends.

    Args:
        score_range: The scores of the coldest and hottest colour.
        title: What the score is.
        width: Width in pixels, at least 64.
        height: Height in pixels, at least 8.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        RenderError: The range is empty or the picture too small.
    """
    low, high = check_range(score_range)
    if width < 64 or height < 8:
        msg = f'received a colour bar of {width}x{height}, expected at least 64x8'
        raise RenderError(msg)
    bar = cv2.resize(heat_table(), (width, height), interpolation=cv2.INTER_LINEAR)
    picture = bar.astype(np.uint8, copy=False)
    text = f'{high:.3g}'
    end = cv2.getTextSize(text, _FONT, _scale(height), 1)[0][0]
    _write(picture, f'{low:.3g}  {title}', 6, height // 2, height)
    _write(picture, text, width - end - 6, height // 2, height, (0, 0, 0))
    return picture


def _scale(height: int) -> float:
    return max(height / 44, 0.2)


def _write(
    picture: Pixels,
    text: str,
    left: int,
    middle: int,
    height: int,
    colour: tuple[int, int, int] = _INK,
) -> None:
    # Hershey fonts know ASCII only.
    text = text.encode('ascii', 'replace').decode()
    scale = _scale(height)
    text_height = cv2.getTextSize('Hg', _FONT, scale, 1)[0][1]
    # OpenCV draws into contiguous memory only; a slice is drawn aside and copied back.
    target = np.ascontiguousarray(picture)
    at = (left, middle + text_height // 2)
    cv2.putText(target, text, at, _FONT, scale, colour, 1, cv2.LINE_AA)
    picture[:] = target
