# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many images on one page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from anomaly_seg_ros.render.errors import RenderError, check_image
from anomaly_seg_ros.render.legend import caption
from anomaly_seg_ros.render.palette import Pixels

_BACKGROUND = (18, 18, 20)


def contact_sheet(
    images: Sequence[Pixels],
    columns: int = 3,
    captions: Sequence[str] | None = None,
    *,
    gap: int = 8,
    cell_width: int | None = None,
) -> Pixels:
    """Arrange images in rows, from left to right and from top to bottom.

    Args:
        images: (H, W, 3) uint8 each, RGB; sizes may differ, each stands in the middle of a cell
            as large as the largest.
        columns: Images side by side; fewer images make a narrower page.
        captions: One line of text above each image.
        gap: Pixels between and around the images.
        cell_width: Scale every image to this width; None keeps their sizes.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        RenderError: There is no image, an image has another shape or type, or the number of
            captions differs from the number of images.
    """
    if not images:
        msg = 'received no image, expected at least one for a contact sheet'
        raise RenderError(msg)
    if columns < 1 or gap < 0 or (cell_width is not None and cell_width < 1):
        msg = (
            f'received columns {columns}, gap {gap} and cell width {cell_width}, '
            'expected at least 1, 0 and 1'
        )
        raise RenderError(msg)
    if captions is not None and len(captions) != len(images):
        msg = f'received {len(captions)} captions for {len(images)} images, expected one for each'
        raise RenderError(msg)
    cells = []
    for index, image in enumerate(images):
        check_image(image, f'image {index}')
        cell = image if cell_width is None else _scaled(image, cell_width)
        cells.append(cell if captions is None else caption(cell, captions[index]))
    columns = min(columns, len(cells))
    rows = math.ceil(len(cells) / columns)
    height = max(c.shape[0] for c in cells)
    width = max(c.shape[1] for c in cells)
    sheet = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, 3), _BACKGROUND, np.uint8
    )
    for index, cell in enumerate(cells):
        top = gap + index // columns * (height + gap) + (height - cell.shape[0]) // 2
        left = gap + index % columns * (width + gap) + (width - cell.shape[1]) // 2
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet


def _scaled(image: Pixels, width: int) -> Pixels:
    if image.shape[1] == width:
        return image
    height = max(round(image.shape[0] * width / image.shape[1]), 1)
    method = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method).astype(np.uint8, copy=False)
