# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""BDD-Anomaly (Hendrycks et al. 2022): the images of BDD100K with trains and motorcycles.

There is nothing to download for it: an image of BDD100K's segmentation set belongs to the test
set when its labels hold an unknown class, and to the known images otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.images import read_label_map
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
from anomaly_seg_training.data.labelled import check_labels, collect, match

TRAIN, MOTORCYCLE, BICYCLE = map(CITYSCAPES.names.index, ('train', 'motorcycle', 'bicycle'))

LAYOUTS = (
    ('images/10k', 'labels/sem_seg/masks', ''),
    ('seg/images', 'seg/labels', '_train_id'),
    ('seg/images', 'seg/train_labels', '_train_id'),
)
"""Images, label maps and the ending of their names: BDD100K's releases, the paper's archive."""
VARIANTS = {
    'BDD-Anomaly': ((TRAIN, MOTORCYCLE), {'test': 361, 'train': 6688, 'val': 951}),
    'BDD-Anomaly3': ((TRAIN, MOTORCYCLE, BICYCLE), {'test': 810, 'train': 6280, 'val': 910}),
}
"""Unknown classes and published numbers of images."""

_NOTES = (
    'the test set is mostly motorcycles: 308 of its 361 images have one, 54 a train',
    'void, 18 % of all pixels, is ignored here; the protocol caos counts it as normal',
)


def open_sets(root: Path) -> list[BenchmarkSet]:
    """Read all label maps and sort the images by what they hold.

    Raises:
        DataError: A folder is missing or empty, images and label maps do not match, or a label
            map holds an unknown value.
    """
    layout = next((x for x in LAYOUTS if (root / x[1]).is_dir()), None)
    if layout is None:
        return []
    images_folder, labels_folder, ending = layout
    shifted = labels_folder.endswith('train_labels')
    found: dict[str, list[tuple[str, Path, Path]]] = {}
    for split in ('train', 'val'):
        if (root / labels_folder / split).is_dir():
            found[split] = match(
                collect(root / images_folder / split),
                collect(root / labels_folder / split, ending, ('.png',)),
                f'{root / labels_folder / split}/{{}}{ending}.png',
            )
    entries = [entry for split in found.values() for entry in split]
    present = dict(zip(entries, _labels_in([e[2] for e in entries], shifted), strict=True))
    sets = []
    for variant, (unknown, published) in VARIANTS.items():
        meaning = meaning_of(unknown, shifted)
        chosen = {'test': [e for e in entries if not present[e].isdisjoint(unknown)]}
        for split, all_of_split in found.items():
            chosen[split] = [e for e in all_of_split if present[e].isdisjoint(unknown)]
        sets += [
            mask_set(
                f'{variant}-{split}', root, sorted(part), meaning, protocol='caos',
                unknowns=split == 'test', default=split == 'test' and variant == 'BDD-Anomaly',
                published=published[split], notes=_NOTES,
            )
            for split, part in chosen.items() if part
        ]  # fmt: skip
    return sets


def meaning_of(unknown: Collection[int], shifted: bool = False) -> Meaning:
    """Return what label values mean when some classes are unknown.

    Args:
        unknown: Their train ids.
        shifted: Whether values are train ids plus 2 and void is 1, as in the paper's archive.
    """
    labels = {label: IGNORE if label in unknown else label for label in range(len(CITYSCAPES))}
    target = {label: ANOMALY if label in unknown else NORMAL for label in labels}
    names = dict(enumerate(CITYSCAPES.names))
    void = 1 if shifted else IGNORE
    shift = 2 if shifted else 0
    return Meaning(
        {**{label + shift: value for label, value in target.items()}, void: IGNORE},
        {**{label + shift: name for label, name in names.items()}, void: 'void'},
        CITYSCAPES.names,
        {**{label + shift: value for label, value in labels.items()}, void: IGNORE},
    )


def _labels_in(files: list[Path], shifted: bool) -> list[frozenset[int]]:
    """Return the train ids that occur in each label map."""
    allowed = meaning_of((), shifted).target
    shift = 2 if shifted else 0

    def read(file: Path) -> frozenset[int]:
        values = read_label_map(file)
        check_labels(values, allowed, str(file))
        counts = np.bincount(values.ravel(), minlength=256)
        return frozenset(value - shift for value in np.flatnonzero(counts).tolist())

    with ThreadPoolExecutor(4) as pool:
        # Decoding releases the interpreter's lock.
        results = pool.map(read, files)
        return list(tqdm(results, 'BDD-Anomaly', len(files), unit='label map', disable=None))


BENCHMARKS.register('bdd_anomaly')(
    Benchmark(
        title='BDD-Anomaly, built from the segmentation set of BDD100K',
        archives=(
            Archive('https://bdd-data.berkeley.edu/portal.html', '10K Images'),
            Archive('https://bdd-data.berkeley.edu/portal.html', 'Segmentation'),
        ),
        unpack=('unzip both archives, and take the folder bdd100k as the root',),
        layout=(
            'images/10k/{train,val}/NAME.jpg and labels/sem_seg/masks/{train,val}/NAME.png',
            'or seg/images/{train,val}/NAME.jpg and seg/labels/{train,val}/NAME_train_id.png',
        ),
        labels='train ids 0-18, 255 void; 16 (train) and 17 (motorcycle) anomaly, in '
        'BDD-Anomaly3 18 (bicycle) too, other classes normal, void ignored',
        open=open_sets,
    )
)
