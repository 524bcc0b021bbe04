# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes with fine labels (Cordts et al. 2016): known classes only."""

from __future__ import annotations

from pathlib import Path

from anomaly_seg_ros.classes import CITYSCAPES, CITYSCAPES_ID_TO_TRAIN_ID, IGNORE
from anomaly_seg_training.benchmark.readers.masks import mask_set
from anomaly_seg_training.benchmark.sets import (
    BENCHMARKS,
    Archive,
    Benchmark,
    BenchmarkSet,
    Meaning,
    folder_among,
    known,
)
from anomaly_seg_training.data.cityscapes import FOLDER, TRAIN_IDS
from anomaly_seg_training.data.labelled import collect, match, pairs

PUBLISHED = {'train': 2975, 'val': 500}
"""Images by split; the labels of the test split are not public."""
IMAGE_ENDING = '_leftImg8bit'
VOID = (
    'unlabeled', 'ego vehicle', 'rectification border', 'out of roi', 'static', 'dynamic',
    'ground', 'parking', 'rail track', 'guard rail', 'bridge', 'tunnel', 'polegroup', 'caravan',
    'trailer',
)  # fmt: skip
"""Names of the label ids 0 to 33 that are not evaluated, in the order of the ids."""

_IDS = {value: CITYSCAPES_ID_TO_TRAIN_ID.get(value, IGNORE) for value in range(34)}
_VOID_IDS = [value for value, label in _IDS.items() if label == IGNORE]
_NAMES = {value: CITYSCAPES.names[label] for value, label in _IDS.items() if label != IGNORE}

IDS = Meaning(
    known(_IDS), _NAMES | dict(zip(_VOID_IDS, VOID, strict=True)), CITYSCAPES.names, _IDS
)
"""Label ids, as the data set ships them."""
TRAIN = Meaning(
    known(TRAIN_IDS),
    {**dict(enumerate(CITYSCAPES.names)), IGNORE: 'ignored'},
    CITYSCAPES.names,
    TRAIN_IDS,
)
"""Train ids."""


def open_sets(root: Path) -> list[BenchmarkSet]:
    """Open the splits that are present.

    Raises:
        DataError: A folder is missing or empty, or images and label maps do not match.
    """
    sets = []
    small = folder_among(root, FOLDER) or root
    for split, published in PUBLISHED.items():
        if (root / 'leftImg8bit' / split).is_dir():
            images = collect(root / 'leftImg8bit' / split, IMAGE_ENDING, deep=True)
            labels_folder = root / 'gtFine' / split
            labels = collect(labels_folder, '_gtFine_labelIds', ('.png',), deep=True)
            found = match(images, labels, f'{labels_folder}/{{}}_gtFine_labelIds.png')
            meaning = IDS
        elif (small / split / 'images').is_dir():
            files = pairs(small / split / 'images', small / split / 'trainIds')
            found = [(image.stem, image, labels) for image, labels in files]
            meaning = TRAIN
        else:
            continue
        sets.append(
            mask_set(
                f'Cityscapes-{split}', root, found, meaning,
                unknowns=False, default=split == 'val', published=published,
            )
        )  # fmt: skip
    return sets


BENCHMARKS.register('cityscapes')(
    Benchmark(
        title='Cityscapes, fine labels',
        archives=(
            Archive('https://www.cityscapes-dataset.com', 'leftImg8bit_trainvaltest.zip'),
            Archive('https://www.cityscapes-dataset.com', 'gtFine_trainvaltest.zip'),
        ),
        unpack=('unzip leftImg8bit_trainvaltest.zip', 'unzip gtFine_trainvaltest.zip'),
        layout=(
            'leftImg8bit/{train,val}/CITY/NAME_leftImg8bit.png',
            'gtFine/{train,val}/CITY/NAME_gtFine_labelIds.png',
            'or, made smaller, {train,val}/images/NAME.png and {train,val}/trainIds/NAME.png',
        ),
        labels='label ids 0-33 (or train ids 0-18, 255); normal where one of the 19 classes is, '
        'ignored elsewhere; no anomalies',
        open=open_sets,
    )
)
