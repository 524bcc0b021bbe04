# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of images beside a folder of masks, and folders of such folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anomaly_seg_training.benchmark.readers.masks import (
    LABELS_FILE,
    ZERO_ONE,
    mask_meaning,
    mask_set,
    read_meaning,
)
from anomaly_seg_training.benchmark.sets import (
    BENCHMARKS,
    Archive,
    Benchmark,
    BenchmarkSet,
    folder_among,
)
from anomaly_seg_training.data.anomaly import MASKS
from anomaly_seg_training.data.labelled import DataError, collect, match

MASK_FOLDERS = ('labels_masks', 'masks', 'labels')
MASK_SUFFIXES = ('.png', '.bmp', '.tif', '.tiff', '.pgm')
SEMANTIC = '_labels_semantic'
PUBLISHED = {'FS_LostFound_full': 100, 'RoadAnomaly': 60, 'fs_static': 30}

_NOTES = {
    'RoadAnomaly': ('every pixel counts: the labels have no ignored region',),
}


def open_sets(root: Path) -> list[BenchmarkSet]:
    """Open every folder below `root` that holds images, or `root` itself if it holds them.

    Raises:
        DataError: A folder of images or masks is missing or empty, or they do not match.
    """
    if (root / 'images').is_dir():
        return open_folder(root)
    sets = []
    for folder in sorted(root.iterdir()):
        has_masks = any((folder / name).is_dir() for name in MASK_FOLDERS)
        if (folder / 'images').is_dir() or has_masks:
            sets.append(_open(folder, root))
    return sets


def open_folder(root: Path) -> list[BenchmarkSet]:
    """Open one folder that holds ``images`` and masks.

    Raises:
        DataError: A folder of images or masks is missing or empty, or they do not match.
    """
    return [_open(root, root)]


def _open(folder: Path, root: Path) -> BenchmarkSet:
    masks = folder_among(folder, *MASK_FOLDERS)
    if masks is None:
        msg = (
            f'{folder} holds no folder of masks, expected {" or ".join(MASK_FOLDERS)} '
            'beside images'
        )
        raise DataError(msg)
    # A relative root such as "." has no name of its own.
    name = folder.resolve().name
    images = collect(folder / 'images')
    found = collect(masks, '', MASK_SUFFIXES)
    # SegmentMeIfYouCan names masks so, and puts coloured ones beside them.
    if any(stem.endswith(SEMANTIC) for stem in found):
        found = collect(masks, SEMANTIC, MASK_SUFFIXES)
    meaning = mask_meaning(MASKS[name]) if name in MASKS else ZERO_ONE
    if (folder / LABELS_FILE).is_file():
        meaning = read_meaning(folder / LABELS_FILE)
    options: dict[str, Any] = {'published': PUBLISHED.get(name), 'notes': _NOTES.get(name, ())}
    found_pairs = match(images, found, f'{masks}/{{}}.png')
    return mask_set(name, root, found_pairs, meaning, **options)


_VALUES = (
    'values 0 normal, 1 anomaly, 255 ignored; a file labels.yaml beside images, with lists of '
    'values under normal, anomaly and ignore, says otherwise'
)

BENCHMARKS.register('road_anomaly_val')(
    Benchmark(
        title='road-anomaly validation sets in one layout (Fishyscapes, RoadAnomaly and others)',
        archives=(Archive('https://github.com/giandbt/SynBoost', 'the data sets of its README'),),
        unpack=('put each set into a folder of its own, named as below',),
        layout=(
            'SET/images/NAME.{webp,jpg,png} and SET/labels_masks/NAME.png, for every SET',
            f'sets whose numbers are known: {", ".join(PUBLISHED)}',
        ),
        labels=f'{_VALUES}; in a set named RoadAnomaly 0 normal, 2 anomaly',
        open=open_sets,
    )
)

BENCHMARKS.register('folder')(
    Benchmark(
        title='your own images with masks',
        archives=(),
        unpack=(),
        layout=('images/NAME.{png,jpg,webp}', 'labels_masks/ or masks/ or labels/, NAME.png'),
        labels=_VALUES,
        open=open_folder,
    )
)
