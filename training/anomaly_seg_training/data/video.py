# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of driving videos, for a teacher's predictions and for areas drawn by hand.

Where a teacher fails on a camera, a polygon of road in a few frames says more than its guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


NOTHING = 'ignore'
"""Name of an area that stays unlabelled, to be drawn over others."""


@READERS.register('video')
def read(
    root: Path,
    *,
    step: int = 8,
    drawn: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    drawn_times: int = 1,
) -> Iterator[Example]:
    """Yield every `step`-th frame of all videos in ``video/``, and those with drawn areas.

    Args:
        root: Folder that holds ``video/``.
        step: Take every `step`-th frame.
        drawn: Video (file name without suffix) -> groups of ``frames``, a list of frame numbers,
            and ``areas``, which hold in all of them: a list of [name, polygon], later ones over
            earlier ones, the name one of Cityscapes' classes or ``ignore``, the polygon a list
            of [x, y] in fractions of width and height. Everything else stays unlabelled.
        drawn_times: How often each frame with drawn areas is yielded.

    Raises:
        DataError: The folder holds no video, a video holds no frame, or a name or polygon in
            `drawn` is impossible.
    """
    groups = {video: _by_frame(entries) for video, entries in (drawn or {}).items()}
    folder = root / FOLDER
    files = sorted(f for f in folder.glob('*') if f.suffix.lower() in SUFFIXES)
    if not files:
        msg = f'{folder} holds no video, expected files like {", ".join(SUFFIXES)}'
        raise DataError(msg)
    for file in files:
        areas = groups.get(file.stem, {})
        capture = cv2.VideoCapture(str(file))
        index = 0
        try:
            while capture.grab():
                if index % step == 0 or index in areas:
                    good, frame = capture.retrieve()
                    if good:
                        image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8)
                        name = f'video/{file.stem}/{index:06d}'
                        yield from _examples(name, image, areas.get(index), drawn_times)
                index += 1
        finally:
            capture.release()
        if index == 0:
            msg = f'{file} holds no frame that OpenCV can decode'
            raise DataError(msg)


def _examples(
    name: str, image: NDArray[np.uint8], areas: Sequence[Any] | None, times: int
) -> Iterator[Example]:
    if areas is None:
        yield Example(name, image, None, VIEW, taught=True, foreign=True)
    else:
        labels = _draw(areas, image.shape[:2])
        example = Example(name, image, labels, DRAWN_VIEW, taught=False, foreign=True)
        yield from [example] * times


def _by_frame(groups: Any) -> dict[int, Sequence[Any]]:
    try:
        return {int(frame): group['areas'] for group in groups for frame in group['frames']}
    except (TypeError, KeyError, ValueError) as error:
        msg = f'drawn areas {groups!r:.80}: expected groups of frames and areas'
        raise DataError(msg) from error


def _draw(areas: Sequence[Any], shape: tuple[int, int]) -> NDArray[np.uint8]:
    labels = np.full(shape, IGNORE, np.uint8)
    for area in areas:
        try:
            name, polygon = area
            points = np.array(polygon, np.float64)
        except (TypeError, ValueError):
            name, points = area, np.zeros(0)
        possible = points.ndim == 2 and points.shape[1] == 2 and len(points) >= 3
        known = name == NOTHING or name in CITYSCAPES.names
        if not known or not possible or points.min() < 0 or points.max() > 1:
            msg = (
                f'drawn area {area!r:.80}: expected a class of Cityscapes or {NOTHING!r}, and at '
                'least three points [x, y] from 0 to 1'
            )
            raise DataError(msg)
        corners = np.round(points * (shape[1], shape[0])).astype(np.int32)
        value = IGNORE if name == NOTHING else CITYSCAPES.names.index(name)
        cv2.fillPoly(labels, [corners], value)
    return labels
