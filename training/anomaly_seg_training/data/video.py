# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of driving videos, for a teacher's predictions and for areas drawn by hand.

Where a teacher fails on a camera, a polygon of road in a few frames says more than its guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example
from anomaly_seg_training.data.labelled import DataError

FOLDER = 'video'
# Half of Cityscapes' view: lenses are longer, and at 1024 pixels the teacher sees trains in haze.
VIEW = Size(512, 288)
# Drawn areas need no teacher: they are learnt at the size at which the network will run.
DRAWN_VIEW = Size(1024, 576)
SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov')


@READERS.register('video')
def read(
    root: Path, *, step: int = 8, drawn: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Example]:
    """Yield every `step`-th frame of all videos in ``video/``, and those with drawn areas.

    Args:
        root: Folder that holds ``video/``.
        step: Take every `step`-th frame.
        drawn: Video (file name without suffix) -> ``frames``, a list of frame numbers, and by
            names of Cityscapes' classes polygons that hold in all of them: lists of [x, y] in
            fractions of width and height. Everything else stays unlabelled.

    Raises:
        DataError: The folder holds no video, a video holds no frame, or a class or polygon in
            `drawn` is impossible.
    """
    drawn = drawn or {}
    folder = root / FOLDER
    files = sorted(f for f in folder.glob('*') if f.suffix.lower() in SUFFIXES)
    if not files:
        msg = f'{folder} holds no video, expected files like {", ".join(SUFFIXES)}'
        raise DataError(msg)
    for file in files:
        areas = dict(drawn.get(file.stem, {}))
        marked = {int(index) for index in areas.pop('frames', ())}
        capture = cv2.VideoCapture(str(file))
        index = 0
        try:
            while capture.grab():
                if index % step == 0 or index in marked:
                    good, frame = capture.retrieve()
                    if good:
                        image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8)
                        labels = _draw(areas, image.shape[:2]) if index in marked else None
                        yield Example(
                            f'video/{file.stem}/{index:06d}',
                            image,
                            labels,
                            VIEW if labels is None else DRAWN_VIEW,
                            taught=labels is None,
                            foreign=True,
                        )
                index += 1
        finally:
            capture.release()
        if index == 0:
            msg = f'{file} holds no frame that OpenCV can decode'
            raise DataError(msg)


def _draw(areas: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.uint8]:
    labels = np.full(shape, IGNORE, np.uint8)
    for name, polygon in areas.items():
        try:
            points = np.array(polygon, np.float64)
        except (TypeError, ValueError):
            points = np.zeros(0)
        possible = points.ndim == 2 and points.shape[1] == 2 and len(points) >= 3
        if name not in CITYSCAPES.names or not possible or points.min() < 0 or points.max() > 1:
            msg = (
                f'drawn area {name!r}: {polygon!r:.80}, expected a class of Cityscapes and at '
                'least three points [x, y] from 0 to 1'
            )
            raise DataError(msg)
        corners = np.round(points * (shape[1], shape[0])).astype(np.int32)
        cv2.fillPoly(labels, [corners], CITYSCAPES.names.index(name))
    return labels
