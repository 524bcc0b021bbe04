# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames from a video file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from anomaly_seg_ros.bags.cdr import NANOSECONDS
from anomaly_seg_ros.images import MAX_PIXELS
from anomaly_seg_ros.sources.base import SourceError, SourceFrame

# FFmpeg's own complaints about damaged files; ours say the same in one sentence.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

DEFAULT_FPS = 30.0
_WHOLE = 0.9
"""Containers guess their frame count; far fewer frames mean a file that was cut short."""


class VideoSource:
    """Frames of a video file that OpenCV can decode, spaced evenly.

    Args:
        path: The file.
        fps: Frames per second; None for the file's own.
        frames: Read at most this many; None for all.

    Raises:
        SourceError: The file is no video that can be decoded.
    """

    recorded = False

    def __init__(self, path: Path, *, fps: float | None = None, frames: int | None = None) -> None:
        self._path = path
        self._frames = frames
        capture = self._open()
        declared = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        own_fps = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        plausible = math.isfinite(own_fps) and 0.1 <= own_fps <= 1000
        self._fps = fps or (own_fps if plausible else DEFAULT_FPS)
        self._declared = int(declared) if 0 < declared < 1e9 else None
        self.expected: int | None = self._declared
        if self._declared is not None and frames is not None:
            self.expected = min(self._declared, frames)
        self.description = f'the video {path}'

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield all frames; a file that was cut short raises after the last one."""
        capture = self._open()
        index = 0
        try:
            while self._frames is None or index < self._frames:
                decoded, bgr = capture.read()
                if not decoded or bgr is None:
                    break
                image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                stamp = round(index * NANOSECONDS / self._fps)
                yield SourceFrame(np.asarray(image, np.uint8), stamp, f'{index:06d}')
                index += 1
        except cv2.error as error:
            msg = f'{self._path} is damaged after {index} frames: {error}'
            raise SourceError(msg) from error
        finally:
            capture.release()
        if index == 0:
            msg = f'{self._path} holds no frame that can be decoded: expected a video file'
            raise SourceError(msg)
        if self.expected is not None and index < _WHOLE * self.expected - 1:
            msg = (
                f'{self._path} ends after {index} of {self.expected} frames: it is damaged or cut '
                f'short; to use what is there, ask for {index} frames'
            )
            raise SourceError(msg)

    def _open(self) -> cv2.VideoCapture:
        path = self._path
        if not path.is_file():
            msg = f'{path} does not exist: expected a video file'
            raise SourceError(msg)
        capture = cv2.VideoCapture(str(path.absolute()))
        if not capture.isOpened():
            msg = (
                f'{path} ({path.stat().st_size} bytes) cannot be opened as a video: '
                'expected a whole file in a format that FFmpeg decodes'
            )
            raise SourceError(msg)
        pixels = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if pixels > MAX_PIXELS:
            capture.release()
            msg = f'{path} declares {pixels:.0f} pixels per frame, expected at most {MAX_PIXELS}'
            raise SourceError(msg)
        return capture
