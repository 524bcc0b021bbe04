# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""StreetHazards (Hendrycks et al. 2022): rendered streets with objects of no class."""

from __future__ import annotations

from pathlib import Path

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.benchmark.readers.masks import mask_set
from anomaly_seg_training.benchmark.sets import (
    ANOMALY,
    BENCHMARKS,
    NORMAL,
    Archive,
    Benchmark,
    BenchmarkSet,
    Meaning,
)
from anomaly_seg_training.data.labelled import collect, match

CLASSES = (
    'unlabeled', 'building', 'fence', 'other', 'pedestrian', 'pole', 'road line', 'road',
    'sidewalk', 'vegetation', 'car', 'wall', 'traffic sign',
)  # fmt: skip
"""The class of value 1, 2, ...: values in the files are one higher than labels."""
SPLITS = {
    'train': ('train', 'training', 5125),
    'val': ('train', 'validation', 1031),
    'test': ('test', 'test', 1500),
}

_ANOMALY = len(CLASSES) + 1
_LABELS = {**{value + 1: value for value in range(len(CLASSES))}, _ANOMALY: IGNORE}
MEANING = Meaning(
    {value: ANOMALY if value == _ANOMALY else NORMAL for value in _LABELS},
    {**{value + 1: name for value, name in enumerate(CLASSES)}, _ANOMALY: 'anomaly'},
    CLASSES,
    _LABELS,
)
_NOTES = ('every pixel counts; unlabeled pixels, the sky among them, are normal',)


def open_sets(root: Path) -> list[BenchmarkSet]:
    """Open the splits that are present.

    Raises:
        DataError: A folder is missing or empty, or images and label maps do not match.
    """
    sets = []
    for split, (archive, folder, published) in SPLITS.items():
        images_folder = root / archive / 'images' / folder
        labels_folder = root / archive / 'annotations' / folder
        if images_folder.is_dir() or labels_folder.is_dir():
            found = match(
                collect(images_folder, deep=True),
                collect(labels_folder, '', ('.png',), deep=True),
                f'{labels_folder}/{{}}.png',
            )
            sets.append(
                mask_set(
                    f'StreetHazards-{split}', root, found, MEANING, protocol='caos',
                    unknowns=split == 'test', default=split == 'test', published=published,
                    notes=_NOTES,
                )
            )  # fmt: skip
    return sets


_URL = 'https://people.eecs.berkeley.edu/~hendrycks/'

BENCHMARKS.register('street_hazards')(
    Benchmark(
        title='StreetHazards',
        archives=(
            Archive(
                f'{_URL}streethazards_test.tar',
                'streethazards_test.tar',
                'md5:8c547c1346b00c21b2483887110bfea7',
            ),
            Archive(
                f'{_URL}streethazards_train.tar',
                'streethazards_train.tar',
                'md5:cd2d1a8649848afb85b5059d227d2090',
            ),
        ),
        unpack=('tar -xf streethazards_test.tar', 'tar -xf streethazards_train.tar (optional)'),
        layout=(
            'test/images/test/TOWN/NAME.png and test/annotations/test/TOWN/NAME.png',
            'train/images/{training,validation}/TOWN/NAME.png and train/annotations/...',
        ),
        labels='values 1-13 classes, all normal, 14 anomaly; nothing ignored',
        open=open_sets,
    )
)
