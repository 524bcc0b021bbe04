# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One function from what a user types to frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from anomaly_seg_ros.bags.reader import STORAGE_SUFFIXES, storage_files
from anomaly_seg_ros.images import IMAGE_SUFFIXES
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources.bag import BagSource
from anomaly_seg_ros.sources.base import FrameSource, SourceError
from anomaly_seg_ros.sources.folder import FolderSource
from anomaly_seg_ros.sources.video import VideoSource

SYNTHETIC = 'synthetic'


@dataclass(frozen=True)
class SourceOptions:
    """What a user may ask of a source.

    Args:
        labels: Folder of class labels (train ids) for an image folder.
        anomaly: Folder of anomaly masks for an image folder.
        anomaly_value: The mask value that means anomaly, 1 to 254.
        fps: Frames per second for images, videos and synthetic clips; None for the source's own.
        frames: At most this many frames; None for all.
        topic: Image topic of a bag; None when there is one.
        size: Size of a synthetic clip, None for its usual one; other sources keep their own.
        seed: Seed of a synthetic clip.

    Raises:
        SourceError: A value lies outside its range.
    """

    labels: Path | None = None
    anomaly: Path | None = None
    anomaly_value: int = 1
    fps: float | None = None
    frames: int | None = None
    topic: str | None = None
    size: Size | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what no source could use."""
        if self.frames is not None and self.frames < 1:
            msg = f'received {self.frames} frames, expected at least 1'
            raise SourceError(msg)
        if self.fps is not None and not (math.isfinite(self.fps) and 0.01 <= self.fps <= 1000):
            msg = f'received {self.fps} frames per second, expected 0.01 to 1000'
            raise SourceError(msg)
        if not 1 <= self.anomaly_value <= 254:
            msg = f'received the anomaly value {self.anomaly_value}, expected 1 to 254'
            raise SourceError(msg)


def open_source(name: Path | str, options: SourceOptions | None = None) -> FrameSource:
    """Open a source of frames.

    Args:
        name: A video file, a folder of images, one image, a rosbag2 folder or file, or
            ``synthetic`` for a generated street scene.
        options: What else the user asked for.

    Raises:
        SourceError: There is nothing that can be read; for bags `BagError`.
    """
    options = options or SourceOptions()
    path = Path(name)
    if str(name) == SYNTHETIC:
        source = _synthetic(options)
    elif not path.exists():
        msg = (
            f'{path} does not exist: expected a video, a folder of images, a bag or the word '
            f'{SYNTHETIC!r}'
        )
        raise SourceError(msg)
    elif is_bag(path):
        source = BagSource(path, topic=options.topic, frames=options.frames)
    elif path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        source = FolderSource(
            path,
            labels=options.labels,
            anomaly=options.anomaly,
            anomaly_value=options.anomaly_value,
            fps=options.fps,
            frames=options.frames,
        )
    else:
        source = VideoSource(path, fps=options.fps, frames=options.frames)
    if (options.labels or options.anomaly) and not isinstance(source, FolderSource):
        msg = f'label folders belong to a folder of images, received {name}'
        raise SourceError(msg)
    return source


def is_bag(path: Path) -> bool:
    """Tell whether a path is a rosbag2 folder or storage file."""
    if path.is_dir():
        return (path / 'metadata.yaml').is_file() or bool(storage_files(path))
    return path.suffix in (*STORAGE_SUFFIXES, '.bag')


def _synthetic(options: SourceOptions) -> FrameSource:
    from anomaly_seg_ros.sources.synthetic import SyntheticSource
    from anomaly_seg_ros.synthetic import SceneConfig

    usual = SceneConfig()
    config = SceneConfig(
        size=options.size or usual.size,
        seed=options.seed,
        frames=options.frames or usual.frames,
        fps=options.fps or usual.fps,
    )
    return SyntheticSource(config)
