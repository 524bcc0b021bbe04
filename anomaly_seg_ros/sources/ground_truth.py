# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label images beside camera images, read strictly."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.images import IMAGE_SUFFIXES, ImageError, read_label_map
from anomaly_seg_ros.sources.base import SourceError


class LabelFolder:
    """Label images that carry the names of the camera images they belong to.

    Args:
        path: The folder.
        names: Stems of the camera images; each must have a label image.

    Raises:
        SourceError: The folder is missing or lacks a label image.
    """

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        self.path = path
        if not path.is_dir():
            msg = f'{path} is no folder: expected a folder of label images'
            raise SourceError(msg)
        self._files = {
            p.stem: p for p in sorted(path.iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES
        }
        missing = [name for name in names if name not in self._files]
        if missing:
            more = f' and {len(missing) - 1} others' if len(missing) > 1 else ''
            msg = (
                f'{path} has no label image for {missing[0]}{more}: '
                'expected files with the names of the camera images'
            )
            raise SourceError(msg)

    def labels(self, name: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Read class labels.

        Returns:
            `shape` uint8, train ids of Cityscapes and 255.

        Raises:
            SourceError: The file has another shape, is no label image or holds another value.
        """
        labels = self._read(name, shape)
        known = len(CITYSCAPES)
        counts = np.bincount(labels.ravel(), minlength=256)
        if counts[known:IGNORE].any():
            msg = (
                f'{self._files[name]} holds the labels {_histogram(counts)} (value: pixels), '
                f"expected Cityscapes' train ids 0 to {known - 1} and 255 (ignored)"
            )
            raise SourceError(msg)
        return labels

    def anomaly(self, name: str, shape: tuple[int, int], value: int) -> NDArray[np.uint8]:
        """Read an anomaly mask.

        Args:
            name: Stem of the camera image.
            shape: (height, width) of the camera image.
            value: The value that means anomaly in the file: 1, or 2 in RoadAnomaly.

        Returns:
            `shape` uint8: 0 normal, 1 anomaly, 255 ignored.

        Raises:
            SourceError: The file has another shape, is no label image or holds another value.
        """
        mask = self._read(name, shape)
        counts = np.bincount(mask.ravel(), minlength=256)
        if counts.sum() != counts[0] + counts[value] + counts[IGNORE]:
            msg = (
                f'{self._files[name]} holds the values {_histogram(counts)} (value: pixels), '
                f'expected 0 (normal), {value} (anomaly) and 255 (ignored): '
                'if another value means anomaly, name it with --anomaly-value'
            )
            raise SourceError(msg)
        if value != 1:
            mask = np.where(mask == value, np.uint8(1), mask)
        return mask

    def _read(self, name: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
        path = self._files[name]
        try:
            labels = read_label_map(path)
        except ImageError as error:
            raise SourceError(str(error)) from error
        if labels.shape != shape:
            msg = (
                f'{path} has {labels.shape[1]}x{labels.shape[0]} pixels and its camera image '
                f'{shape[1]}x{shape[0]}: expected the same size'
            )
            raise SourceError(msg)
        return labels


def _histogram(counts: NDArray[np.intp]) -> dict[int, int]:
    return {value: int(counts[value]) for value in np.flatnonzero(counts).tolist()}
