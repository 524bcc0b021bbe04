# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of unlabelled driving videos, for a teacher's predictions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example
from anomaly_seg_training.data.labelled import DataError

FOLDER = 'video'
# Half of Cityscapes' view: lenses are longer, and at 1024 pixels the teacher sees trains in haze.
VIEW = Size(512, 288)
SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov')


@READERS.register('video')
def read(root: Path, *, step: int = 8) -> Iterator[Example]:
    """Yield every `step`-th frame of all videos in ``video/``.

    Raises:
        DataError: The folder holds no video, or a video holds no frame.
    """
    folder = root / FOLDER
    files = sorted(f for f in folder.glob('*') if f.suffix.lower() in SUFFIXES)
    if not files:
        msg = f'{folder} holds no video, expected files like {", ".join(SUFFIXES)}'
        raise DataError(msg)
    for file in files:
        capture = cv2.VideoCapture(str(file))
        index = 0
        try:
            while capture.grab():
                if index % step == 0:
                    good, frame = capture.retrieve()
                    if good:
                        image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8)
                        yield Example(
                            f'video/{file.stem}/{index:06d}', image, None, VIEW, foreign=True
                        )
                index += 1
        finally:
            capture.release()
        if index == 0:
            msg = f'{file} holds no frame that OpenCV can decode'
            raise DataError(msg)
