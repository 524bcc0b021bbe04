# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fishyscapes Lost & Found and Fishyscapes Static, validation sets (Blum et al. 2021).

Both ship labels alone: the images of the one are those of Lost and Found, of the other those of
Cityscapes with differences to add.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.benchmark.readers.cityscapes import IMAGE_ENDING
from anomaly_seg_training.benchmark.readers.masks import ZERO_ONE, mask_set
from anomaly_seg_training.benchmark.sets import (
    BENCHMARKS,
    Archive,
    Benchmark,
    BenchmarkItem,
    BenchmarkSet,
    version_of,
)
from anomaly_seg_training.data.labelled import DataError, collect, match

VERSIONS = ('v3', 'v2', 'v1')
"""Of Fishyscapes Static; published figures of recent years are those of v3."""

_NAME = re.compile(r'(\d+)_(.+_\d{6}_\d{6})')


@dataclass(frozen=True)
class OverlaidItem(BenchmarkItem):
    """An image of Cityscapes to which a difference is added.

    Args:
        overlay_path: A NumPy archive with ``rgb``, (H, W, 3) integers.
    """

    overlay_path: Path = field(kw_only=True)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the item is read from."""
        return (*super().files, self.overlay_path)

    def image(self) -> NDArray[np.uint8]:
        """Read the image and add the difference: (H, W, 3) uint8, RGB.

        Raises:
            DataError: The difference cannot be read or does not fit the image.
            ImageError: The file is no image.
        """
        image = super().image()
        try:
            with np.load(self.overlay_path, allow_pickle=False) as content:
                overlay = content['rgb']
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            msg = f'{self.overlay_path} is no NumPy archive with an array rgb: {error}'
            raise DataError(msg) from error
        if overlay.shape != image.shape or not np.issubdtype(overlay.dtype, np.integer):
            msg = (
                f'{self.overlay_path} holds {overlay.dtype} of shape {overlay.shape}, expected '
                f'integers of the shape of the image, {image.shape}'
            )
            raise DataError(msg)
        # int64 holds the sum whatever integers the archive holds.
        changed: NDArray[np.int64] = np.clip(image + overlay.astype(np.int64), 0, 255)
        return changed.astype(np.uint8)


def open_lost_and_found(root: Path) -> list[BenchmarkSet]:
    """Open the validation set.

    Raises:
        DataError: A folder is missing or empty, or a label map has no image.
    """
    folder = root / 'fishyscapes_lostandfound'
    labels = collect(folder, '_labels', ('.png',))
    found = []
    for name, mask in labels.items():
        place, frame = _place(name, mask)
        beginnings = [root / 'leftImg8bit' / s / place for s in ('train', 'test')]
        found.append((name, _image(beginnings, frame, mask), mask))
    return [mask_set('FS_LostAndFound', root, found, ZERO_ONE, published=100)]


def open_static(root: Path) -> list[BenchmarkSet]:
    """Open the versions of the validation set that are present.

    Raises:
        DataError: A folder is missing or empty, or images, labels and differences do not match.
    """
    sets = []
    for version in VERSIONS:
        folder = root / f'fs_val_{version}'
        if not folder.is_dir():
            continue
        overlays = collect(folder, '_rgb', ('.npz',))
        labels = collect(folder, '_labels', ('.png',))
        set_name = f'FS_Static_{version}'
        items = []
        for name, overlay, mask in match(overlays, labels, f'{folder}/{{}}_labels.png'):
            city, frame = _place(name, mask)
            image = _image([root / 'leftImg8bit' / 'val' / city], frame, mask)
            items.append(
                OverlaidItem(f'{set_name}/{name}', image, mask, ZERO_ONE, overlay_path=overlay)
            )
        note = (f'version {version[1]} of Fishyscapes Static: others give other figures',)
        sets.append(
            BenchmarkSet(
                set_name, version_of(root, items), tuple(items), default=version == 'v3',
                published=30, notes=note,
            )
        )  # fmt: skip
    return sets


def _place(name: str, mask: Path) -> tuple[str, str]:
    """Return (folder, frame) of ``number_folder_sequence_frame``."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        msg = f'{mask} is not named like 0000_PLACE_000000_000030_labels.png'
        raise DataError(msg)
    frame = parts[2]
    return frame[: -len('_000000_000000')], frame


def _image(folders: list[Path], frame: str, mask: Path) -> Path:
    files = [folder / f'{frame}{IMAGE_ENDING}.png' for folder in folders]
    for file in files:
        if file.is_file():
            return file
    msg = f'the label map {mask} has no image {" or ".join(map(str, files))}'
    raise DataError(msg)


_URL = 'http://robotics.ethz.ch/~asl-datasets/Fishyscapes/'

BENCHMARKS.register('fishyscapes_lost_and_found')(
    Benchmark(
        title='Fishyscapes Lost & Found, validation',
        archives=(
            Archive(
                f'{_URL}fishyscapes_lostandfound.zip',
                'fishyscapes_lostandfound.zip',
                'sha256:f0078e89f0a147060a0864feb90e8b523313a2723b1b764bce638dc425473094',
            ),
            Archive(
                'http://wwwlehre.dhbw-stuttgart.de/~sgehrig/lostAndFoundDataset/leftImg8bit.zip',
                'leftImg8bit.zip',
                'md5:08eaa79ce05126f6bd22a3ca563746d0',
            ),
        ),
        unpack=(
            'unzip fishyscapes_lostandfound.zip -d fishyscapes_lostandfound',
            'unzip leftImg8bit.zip',
        ),
        layout=(
            'fishyscapes_lostandfound/NNNN_PLACE_SSSSSS_FFFFFF_labels.png',
            'leftImg8bit/{train,test}/PLACE/PLACE_SSSSSS_FFFFFF_leftImg8bit.png',
        ),
        labels='values 0 normal, 1 anomaly, 255 ignored',
        open=open_lost_and_found,
    )
)

BENCHMARKS.register('fishyscapes_static')(
    Benchmark(
        title='Fishyscapes Static, validation',
        archives=(
            Archive(
                f'{_URL}fs_val_v3.zip',
                'fs_val_v3.zip',
                'sha256:3813994ccb73645d28aa53946646a03d859dbeb9a2d31ad7233e45db00878b8f',
            ),
            Archive('https://www.cityscapes-dataset.com', 'leftImg8bit_trainvaltest.zip'),
        ),
        unpack=('unzip fs_val_v3.zip -d fs_val_v3', 'unzip leftImg8bit_trainvaltest.zip'),
        layout=(
            'fs_val_v3/NNNN_CITY_SSSSSS_FFFFFF_rgb.npz and ..._labels.png',
            'leftImg8bit/val/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png',
        ),
        labels='values 0 normal, 1 anomaly, 255 ignored',
        open=open_static,
    )
)
