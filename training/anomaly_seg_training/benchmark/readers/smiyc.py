# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RoadAnomaly21 and RoadObstacle21 (Chan et al. 2021, "SegmentMeIfYouCan")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_seg_training.benchmark.readers.folder import SEMANTIC
from anomaly_seg_training.benchmark.readers.masks import mask_set
from anomaly_seg_training.benchmark.sets import (
    BENCHMARKS,
    Archive,
    Benchmark,
    BenchmarkSet,
    folder_among,
)
from anomaly_seg_training.data.labelled import collect, match

VALIDATION = 'validation'
NOT_VALIDATION = ('validation_19', *(f'validation_{number}' for number in range(21, 30)))
"""Frames of RoadObstacle21 that the benchmark leaves out of its validation set."""
NIGHT = 'driveway'
SNOW = ('snowstorm1', 'snowstorm2')


def open_road_anomaly21(root: Path) -> list[BenchmarkSet]:
    """Open the validation set, and the whole set where its labels are present.

    Raises:
        DataError: A folder is missing or empty, or images and masks do not match.
    """
    splits = (
        _Split('RoadAnomaly21-validation', lambda name: name.startswith(VALIDATION), 10),
        _Split('RoadAnomaly21-all', lambda _: True, 110),
    )
    return _open(root, 'dataset_AnomalyTrack', splits, 'smiyc-anomaly', 'scene')


def open_road_obstacle21(root: Path) -> list[BenchmarkSet]:
    """Open the validation set, and the test sets whose labels are present.

    Raises:
        DataError: A folder is missing or empty, or images and masks do not match.
    """
    special = (VALIDATION, NIGHT, *SNOW)
    splits = (
        _Split('RoadObstacle21-validation', _is_validation, 30),
        _Split('RoadObstacle21-test', lambda name: _scene(name) not in special, 327),
        _Split('RoadObstacle21-night', lambda name: _scene(name) == NIGHT, 30),
        _Split('RoadObstacle21-snowstorm', lambda name: _scene(name) in SNOW, 55),
    )
    return _open(root, 'dataset_ObstacleTrack', splits, 'smiyc-obstacle', 'road')


@dataclass(frozen=True)
class _Split:
    name: str
    holds: Callable[[str], bool]
    published: int


def _open(
    root: Path, folder_name: str, splits: tuple[_Split, ...], protocol: str, region: str
) -> list[BenchmarkSet]:
    folder = folder_among(root, folder_name) or root
    images = collect(folder / 'images')
    masks = collect(folder / 'labels_masks', SEMANTIC, ('.png',))
    expected = f'{folder}/labels_masks/{{}}{SEMANTIC}.png'
    # Masks without an image first: no split would look at them.
    match({name: image for name, image in images.items() if name in masks}, masks, expected)
    sets = []
    for split in splits:
        chosen = {name: image for name, image in images.items() if split.holds(name)}
        secret = [name for name in chosen if not name.startswith(VALIDATION)]
        # The authors keep the labels of test images: none at all is no mistake, a part of them is.
        if not chosen or (secret and not any(name in masks for name in secret)):
            continue
        labelled = {name: mask for name, mask in masks.items() if name in chosen}
        found = match(chosen, labelled, expected)
        options: dict[str, Any] = {
            'protocol': protocol, 'region': region, 'published': split.published,
        }  # fmt: skip
        sets.append(mask_set(split.name, root, found, **options))
    return sets


def _scene(name: str) -> str:
    return name.split('_', maxsplit=1)[0]


def _is_validation(name: str) -> bool:
    return _scene(name) == VALIDATION and not name.startswith(NOT_VALIDATION)


_LABELS = 'values 0 {}, 1 {}, 255 ignored'
_LAYOUT = (
    '{0}/images/NAME.{1}',
    '{0}/labels_masks/NAME_labels_semantic.png (only validation images have public labels)',
)

BENCHMARKS.register('road_anomaly21')(
    Benchmark(
        title='RoadAnomaly21, the anomaly track of SegmentMeIfYouCan',
        archives=(
            Archive(
                'https://uni-wuppertal.sciebo.de/s/TVR7VxukVrV7fUH/download',
                'dataset_AnomalyTrack.zip',
            ),
        ),
        unpack=('unzip dataset_AnomalyTrack.zip',),
        layout=tuple(line.format('dataset_AnomalyTrack', 'jpg') for line in _LAYOUT),
        labels=_LABELS.format("one of Cityscapes' classes", 'anomaly'),
        open=open_road_anomaly21,
    )
)

BENCHMARKS.register('road_obstacle21')(
    Benchmark(
        title='RoadObstacle21, the obstacle track of SegmentMeIfYouCan',
        archives=(
            Archive(
                'https://uni-wuppertal.sciebo.de/s/wQQq2saipS339QA/download',
                'dataset_ObstacleTrack.zip',
            ),
        ),
        unpack=('unzip dataset_ObstacleTrack.zip',),
        layout=tuple(line.format('dataset_ObstacleTrack', 'webp') for line in _LAYOUT),
        labels=_LABELS.format('free road', 'anything that lies on it'),
        open=open_road_obstacle21,
    )
)
