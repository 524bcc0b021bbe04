# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames from a folder of images, with label folders where there are some."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from anomaly_seg_ros.bags.cdr import NANOSECONDS
from anomaly_seg_ros.images import IMAGE_SUFFIXES, ImageError, read_image
from anomaly_seg_ros.sources.base import SourceError, SourceFrame
from anomaly_seg_ros.sources.ground_truth import LabelFolder

DEFAULT_FPS = 10.0


class FolderSource:
    """Images of a folder, sorted as people sort them (2 before 10).

    Beside a folder ``images``, ``trainIds`` holds class labels and ``labels_masks`` anomaly
    masks, as in Cityscapes and Fishyscapes; other folders are passed explicitly.

    Args:
        path: A folder of images, a folder that contains ``images``, or one image.
        labels: Folder of train ids, or None to look beside the images.
        anomaly: Folder of anomaly masks, or None to look beside the images.
        anomaly_value: The mask value that means anomaly.
        fps: Frames per second.
        frames: Read at most this many; None for all.

    Raises:
        SourceError: There are no images, or label images are missing.
    """

    recorded = False

    def __init__(
        self,
        path: Path,
        *,
        labels: Path | None = None,
        anomaly: Path | None = None,
        anomaly_value: int = 1,
        fps: float | None = None,
        frames: int | None = None,
    ) -> None:
        folder = path / 'images' if (path / 'images').is_dir() else path
        self._files = [path] if path.is_file() else image_files(folder)
        if not self._files:
            msg = f'{folder} holds no images: expected files ending in {", ".join(IMAGE_SUFFIXES)}'
            raise SourceError(msg)
        self._files = self._files[:frames]
        if folder.name == 'images':
            labels = labels or _if_folder(folder.parent / 'trainIds')
            anomaly = anomaly or _if_folder(folder.parent / 'labels_masks')
        names = [file.stem for file in self._files]
        self._labels = LabelFolder(labels, names) if labels else None
        self._anomaly = LabelFolder(anomaly, names) if anomaly else None
        self._anomaly_value = anomaly_value
        self._fps = fps or DEFAULT_FPS
        self.description = f'{len(self._files)} images of {folder}'
        self.expected: int | None = len(self._files)

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield one frame per image."""
        for index, file in enumerate(self._files):
            try:
                image = read_image(file)
            except ImageError as error:
                raise SourceError(str(error)) from error
            name, shape = file.stem, (image.shape[0], image.shape[1])
            labels = self._labels.labels(name, shape) if self._labels else None
            anomaly = None
            if self._anomaly:
                anomaly = self._anomaly.anomaly(name, shape, self._anomaly_value)
            stamp = round(index * NANOSECONDS / self._fps)
            yield SourceFrame(image, stamp, name, labels, anomaly)


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder, numbers within their names in numerical order."""
    files = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())

    def order(path: Path) -> list[tuple[int, str]]:
        parts = re.split(r'(\d+)', path.name)
        return [(int(part), '') if part.isdigit() else (-1, part) for part in parts]

    return sorted(files, key=order)


def _if_folder(path: Path) -> Path | None:
    return path if path.is_dir() else None
