# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Videos from RGB images."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from anomaly_seg_ros.files import atomic_path
from anomaly_seg_ros.render.errors import RenderError, check_image
from anomaly_seg_ros.render.palette import Pixels
from anomaly_seg_ros.size import Size

_CODECS = ('avc1', 'mp4v')


class VideoWriter:
    """Writes an MP4 file: H.264 where this OpenCV can encode it, else MPEG-4 part 2.

    Use it as a context manager. The file appears under its name when the block ends well and
    not at all when it raises or nothing was written. The first image decides the size; odd
    sides are extended by one pixel, which the video formats require.

    Args:
        path: Where to; the suffix must be ``.mp4``.
        fps: Images per second.

    Raises:
        RenderError: The suffix or the rate cannot be used.
    """

    def __init__(self, path: Path | str, fps: float) -> None:
        self.path = Path(path)
        self.frames = 0
        self.codec: str | None = None
        if self.path.suffix.lower() != '.mp4':
            msg = f'received the video file {path}, expected a name that ends in .mp4'
            raise RenderError(msg)
        if not isinstance(fps, (int, float)) or not 0.1 <= fps <= 1000:
            msg = f'received {fps!r} frames per second, expected a number from 0.1 to 1000'
            raise RenderError(msg)
        self._fps = float(fps)
        self._size: Size | None = None
        self._writer: cv2.VideoWriter | None = None
        self._files = ExitStack()

    def __enter__(self) -> VideoWriter:
        """Return the writer."""
        return self

    def write(self, image: Pixels) -> None:
        """Append an image.

        Args:
            image: (H, W, 3) uint8, RGB, of the same size as the first.

        Raises:
            RenderError: The image has another shape, type or size, or no codec works.
        """
        check_image(image)
        size = Size(image.shape[1], image.shape[0])
        if self._writer is None:
            self._open(size)
        if size != self._size:
            msg = f'received an image of {size} for a video of {self._size}: resize it first'
            raise RenderError(msg)
        assert self._writer is not None
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if size.width % 2 or size.height % 2:
            bgr = cv2.copyMakeBorder(
                bgr, 0, size.height % 2, 0, size.width % 2, cv2.BORDER_REPLICATE
            )
        self._writer.write(np.ascontiguousarray(bgr))
        self.frames += 1

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises:
            RenderError: Nothing was written.
        """
        if self._writer is None:
            msg = f'no image was written to {self.path}, expected at least one'
            raise RenderError(msg)
        self._writer.release()
        self._files.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file, or remove it when the block raised."""
        if kind is None:
            self.close()
            return
        if self._writer is not None:
            self._writer.release()
        self._files.__exit__(kind, error, traceback)

    def _open(self, size: Size) -> None:
        path = self._files.enter_context(atomic_path(self.path))
        even = (size.width + size.width % 2, size.height + size.height % 2)
        for codec in _CODECS:
            writer = _quietly_opened(str(path), codec, self._fps, even)
            if writer.isOpened():
                self._writer, self.codec, self._size = writer, codec, size
                return
        msg = (
            f'this OpenCV cannot encode {size} video ({" and ".join(_CODECS)} both failed): '
            'install opencv-python-headless or write single images'
        )
        raise RenderError(msg)


def _quietly_opened(path: str, codec: str, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    # Most builds lack H.264; that FFmpeg says so on stderr would only alarm the user.
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    logging = getattr(getattr(cv2, 'utils', None), 'logging', None)
    level = None if logging is None else logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        fourcc = cv2.VideoWriter.fourcc(*codec)
        return cv2.VideoWriter(path, cv2.CAP_FFMPEG, fourcc, fps, size)
    finally:
        if logging is not None:
            logging.setLogLevel(level)
