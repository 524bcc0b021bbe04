# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text, class legends and colour bars."""

from __future__ import annotations

import math

import cv2
import numpy as np

from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.render.errors import RenderError, check_image
from anomaly_seg_ros.render.palette import (
    MASK_COLOUR,
    Pixels,
    ScoreRange,
    check_range,
    heat_table,
)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
BACKGROUND = (28, 28, 30)
INK = (236, 236, 236)


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
    strip = np.full((height, image.shape[1], 3), BACKGROUND, np.uint8)
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
    cells = [row + 8 + _width(name, row) + 10 for name in classes.names]
    cell = min(max(cells), width)
    columns = max(width // cell, 1)
    rows = -(-len(classes) // columns)
    picture = np.full((rows * row, width, 3), BACKGROUND, np.uint8)
    for label, (name, colour) in enumerate(zip(classes.names, classes.palette, strict=True)):
        top, left = label // columns * row, label % columns * cell
        swatch = picture[top + row // 6 : top + row - row // 6, left + 4 : left + row]
        swatch[:] = colour
        _write(picture[top : top + row, left : left + cell], name, row + 6, row // 2, row)
    return picture


def colour_bar(
    score_range: ScoreRange,
    title: str = 'anomaly score',
    *,
    threshold: float | None = None,
    width: int = 320,
    row: int = 24,
) -> Pixels:
    """Return what heat colours mean: a title, the colours, and their scores below.

    The threshold has a tick across the colours and its value below; one outside of the range
    stands at the end that it lies beyond.

    Args:
        score_range: The scores of the coldest and hottest colour.
        title: What the score is.
        threshold: Scores above it are anomalous; None draws no tick.
        width: Width in pixels, at least 64.
        row: Height of each of the three rows in pixels, at least 8.

    Returns:
        (3 * row, width, 3) uint8, RGB.

    Raises:
        RenderError: The range is empty or the picture too small.
    """
    low, high = check_range(score_range)
    if width < 64 or row < 8:
        msg = f'received a colour bar of width {width} and row {row}, expected at least 64 and 8'
        raise RenderError(msg)
    picture = np.full((3 * row, width, 3), BACKGROUND, np.uint8)
    margin = row // 3
    bar = picture[row : 2 * row, margin : width - margin]
    bar[:] = cv2.resize(heat_table(), bar.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    _write(picture[:row], title, margin, row // 2, row)
    ends = [_number(value, high - low) for value in (low, high)]
    texts = [(ends[0], margin), (ends[1], width - margin - _width(ends[1], row))]
    if threshold is not None:
        share = min(max((threshold - low) / (high - low), 0.0), 1.0)
        middle = margin + round(share * (bar.shape[1] - 1))
        _tick(picture, middle, row)
        text = _number(threshold, high - low)
        texts.append((text, _between(texts, text, middle, row)))
    for index, (text, left) in enumerate(texts):
        _write(picture[2 * row :], text, left, row // 2, row, INK if index < 2 else MASK_COLOUR)
    return picture


def mask_legend(text: str, *, row: int = 24) -> Pixels:
    """Return the mask's outline with a text beside it, (row, as wide as needed, 3) uint8, RGB.

    Raises:
        RenderError: The row is too low.
    """
    if row < 8:
        msg = f'received a legend of row {row}, expected at least 8'
        raise RenderError(msg)
    picture = np.full((row, 2 * row + _width(text, row) + 8, 3), BACKGROUND, np.uint8)
    edge = row // 5
    swatch = picture[edge : row - edge, edge + 2 : row - edge + 2]
    swatch[:] = MASK_COLOUR
    swatch[2:-2, 2:-2] = BACKGROUND
    _write(picture, text, row + 6, row // 2, row)
    return picture


def _tick(picture: Pixels, middle: int, row: int) -> None:
    """Draw a bar across the colours that shows on the dark and on the bright ones."""
    half = max(row // 12, 1)
    rows = slice(row - row // 8, 2 * row + row // 8)
    picture[rows, max(middle - 2 * half, 0) : middle + 2 * half + 1] = BACKGROUND
    picture[rows, max(middle - half, 0) : middle + half + 1] = MASK_COLOUR


def _between(ends: list[tuple[str, int]], text: str, middle: int, row: int) -> int:
    """Return the left edge of a text around a place, clear of the texts at the ends."""
    gap, wide = row // 2, _width(text, row)
    first = ends[0][1] + _width(ends[0][0], row) + gap
    last = max(ends[1][1] - gap - wide, first)
    return min(max(middle - wide // 2, first), last)


def _number(value: float, span: float) -> str:
    """Write a score with three digits of its range, so that a tiny one does not grow long."""
    digits = 2 - math.floor(math.log10(span))
    return f'{value:.{max(digits, 0)}f}' if -3 <= digits <= 6 else f'{value:.3g}'


def _scale(height: int) -> float:
    return max(height / 44, 0.2)


def _width(text: str, height: int) -> int:
    return int(cv2.getTextSize(text, _FONT, _scale(height), 1)[0][0])


def _write(
    picture: Pixels,
    text: str,
    left: int,
    middle: int,
    height: int,
    colour: tuple[int, int, int] = INK,
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
