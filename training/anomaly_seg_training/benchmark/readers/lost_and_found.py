# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lost and Found (Pinggera et al. 2016): small obstacles on the free road."""

from __future__ import annotations

from pathlib import Path

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.benchmark.readers.cityscapes import IMAGE_ENDING
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

NAMES = (
    'background', 'free road', 'crate (black)', 'crate (black, stacked)', 'crate (black, upright)',
    'crate (gray)', 'crate (gray, stacked)', 'crate (gray, upright)', 'bumper', 'cardboard box 1',
    'crate (blue)', 'crate (blue, small)', 'crate (green)', 'crate (green, small)',
    'exhaust pipe', 'headlight', 'euro pallet', 'pylon', 'pylon (large)', 'pylon (white)',
    'rearview mirror', 'tire', 'ball', 'bicycle', 'dog (black)', 'dog (white)', 'kid dummy',
    'bobby car (gray)', 'bobby car (red)', 'bobby car (yellow)', 'cardboard box 2',
    'marker pole (lying)', 'plastic bag (bloated)', 'post (red, lying)', 'post stand',
    'styrofoam', 'timber (small)', 'timber (squared)', 'wheel cap', 'wood (thin)',
    'kid (walking)', 'kid (on a bobby car)', 'kid (small bobby)', 'kid (crawling)',
)  # fmt: skip
"""Names of the label ids."""
KNOWN_SCENES = (
    '15_Rechbergstr_Deckenpfronn', '01_Hanns_Klemm_Str_45_000006', '01_Hanns_Klemm_Str_45_000007',
    '10_Schlossberg_9_000004',
)  # fmt: skip
"""Beginnings of the names of test frames with children and bicycles, which Cityscapes knows."""
UNLABELLED = {
    'train': (1036, (44, 67, 88, 109, 131, 614)),
    'test': (1203, (17, 37, 55, 72, 91, 110, 129, 153, 174, 197, 218, 353, 490, 618, 686, 792,
                    793)),
}  # fmt: skip
"""Frames of a whole split, and the numbers of those whose label map says background only."""

MEANING = Meaning(
    {value: ANOMALY if value > 1 else (IGNORE, NORMAL)[value] for value in range(len(NAMES))},
    dict(enumerate(NAMES)),
)
_NOTES = (
    'only the free road and what lies on it counts',
    "31, 33, 34 and 36-39 (timber, posts, ...) are anomalies; the set's train ids say background",
)


def open_sets(root: Path) -> list[BenchmarkSet]:
    """Open train and test, and test without frames of known objects as SegmentMeIfYouCan does.

    Raises:
        DataError: A folder is missing or empty, or images and label maps do not match.
    """
    sets = []
    for split in UNLABELLED:
        if not (root / 'leftImg8bit' / split).is_dir():
            continue
        images = collect(root / 'leftImg8bit' / split, IMAGE_ENDING, deep=True)
        labels_folder = root / 'gtCoarse' / split
        labels = collect(labels_folder, '_gtCoarse_labelIds', ('.png',), deep=True)
        matched = match(images, labels, f'{labels_folder}/{{}}_gtCoarse_labelIds.png')
        by_frame = sorted((name.split('/')[1], image, mask) for name, image, mask in matched)
        found = _labelled(by_frame, split)
        whole = split == 'train'
        sets.append(
            mask_set(
                f'LostAndFound-{split}', root, found, MEANING, protocol='lost-and-found',
                region='road', default=False, published=1030 if whole else 1186, notes=_NOTES,
            )
        )  # fmt: skip
        unknown = [entry for entry in found if not entry[0].startswith(KNOWN_SCENES)]
        if split == 'test' and unknown:
            sets.append(
                mask_set(
                    'LostAndFound-testNoKnown', root, unknown, MEANING,
                    protocol='lost-and-found', region='road', published=1043, notes=_NOTES,
                )
            )  # fmt: skip
    return sets


def _labelled(found: list[tuple[str, Path, Path]], split: str) -> list[tuple[str, Path, Path]]:
    """Leave out the frames without labels, whose numbers are known for a whole split.

    In a part of a split they may stay: none of their pixels counts.
    """
    whole, without = UNLABELLED[split]
    if len(found) != whole:
        return found
    return [entry for number, entry in enumerate(found) if number not in without]


BENCHMARKS.register('lost_and_found')(
    Benchmark(
        title='Lost and Found',
        archives=(
            Archive(
                'http://wwwlehre.dhbw-stuttgart.de/~sgehrig/lostAndFoundDataset/leftImg8bit.zip',
                'leftImg8bit.zip',
                'md5:08eaa79ce05126f6bd22a3ca563746d0',
            ),
            Archive(
                'http://wwwlehre.dhbw-stuttgart.de/~sgehrig/lostAndFoundDataset/gtCoarse.zip',
                'gtCoarse.zip',
            ),
        ),
        unpack=('unzip leftImg8bit.zip', 'unzip gtCoarse.zip'),
        layout=(
            'leftImg8bit/{train,test}/PLACE/NAME_leftImg8bit.png',
            'gtCoarse/{train,test}/PLACE/NAME_gtCoarse_labelIds.png',
        ),
        labels='label ids 0-43; 1 (free road) normal, 2-43 anomaly, 0 ignored',
        open=open_sets,
    )
)
