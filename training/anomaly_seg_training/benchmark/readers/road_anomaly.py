# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RoadAnomaly, 60 photographs (Lis et al. 2019); not to be mixed up with RoadAnomaly21."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from anomaly_seg_training.benchmark.readers.masks import mask_meaning, mask_set
from anomaly_seg_training.benchmark.sets import (
    ANOMALY,
    BENCHMARKS,
    NORMAL,
    Archive,
    Benchmark,
    BenchmarkSet,
    folder_among,
)
from anomaly_seg_training.data.labelled import DataError, collect, match

LIST = 'frame_list.json'
MEANING = mask_meaning({0: NORMAL, 1: NORMAL, 2: ANOMALY})


def open_sets(root: Path) -> list[BenchmarkSet]:
    """Open the frames that the list names.

    Raises:
        DataError: The list is missing or no list of names, or a listed frame or its labels are.
    """
    base = folder_among(root, 'RoadAnomaly_jpg', 'dataset_RoadAnomaly') or root
    if not (base / LIST).is_file():
        return []
    images = {}
    for name in _names(base / LIST):
        file = base / 'frames' / name
        if not file.is_file():
            msg = f'{base / LIST} lists {name}, but there is no {file}'
            raise DataError(msg)
        images[file.stem] = file
    unlisted = sorted(set(collect(base / 'frames')) - set(images))
    if unlisted:
        msg = f'{base / "frames"} holds {unlisted[0]}, which {base / LIST} does not list'
        raise DataError(msg)
    masks = {
        folder.stem: folder / 'labels_semantic.png'
        for folder in sorted((base / 'frames').glob('*.labels'))
        if (folder / 'labels_semantic.png').is_file()
    }
    found = match(images, masks, f'{base}/frames/{{}}.labels/labels_semantic.png')
    note = ('every pixel counts: the labels have no ignored region',)
    return [mask_set('RoadAnomaly', root, sorted(found), MEANING, published=60, notes=note)]


def _names(path: Path) -> list[str]:
    try:
        content = json.loads(path.read_text('utf-8'))
    except (OSError, ValueError) as error:
        msg = f'{path} is not valid JSON: {error}'
        raise DataError(msg) from error
    good = isinstance(content, list) and all(isinstance(name, str) for name in content)
    if not good or not content:
        msg = f'{path} holds {str(content)[:60]!r}, expected a list of file names'
        raise DataError(msg)
    # Whatever folder a name is written with, frames lie in one.
    return sorted({PurePosixPath(name).name for name in content})


BENCHMARKS.register('road_anomaly')(
    Benchmark(
        title='RoadAnomaly',
        archives=(
            Archive('https://www.epfl.ch/labs/cvlab/data/road-anomaly/', 'RoadAnomaly_jpg.zip'),
        ),
        unpack=('unzip RoadAnomaly_jpg.zip',),
        layout=(
            'frame_list.json, a list of NAME.jpg',
            'frames/NAME.jpg and frames/NAME.labels/labels_semantic.png',
            'or all of it in a folder RoadAnomaly_jpg',
        ),
        labels='values 0 and 1 normal, 2 anomaly; nothing ignored',
        open=open_sets,
    )
)
