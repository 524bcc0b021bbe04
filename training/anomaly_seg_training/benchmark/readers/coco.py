# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO 2017 (Lin et al. 2014): objects that streets do not know, among those that they do.

Pixels that no object covers are unlabelled, not normal: nothing says what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.benchmark.sets import (
    ANOMALY,
    BENCHMARKS,
    NORMAL,
    Archive,
    Benchmark,
    BenchmarkItem,
    BenchmarkSet,
    Meaning,
    folder_among,
    version_of,
)
from anomaly_seg_training.data.coco import FOLDER, LIKE_KNOWN, TO_CITYSCAPES
from anomaly_seg_training.data.coco_instances import draw_values, read_annotations
from anomaly_seg_training.data.labelled import DataError, check_labels

SPLITS = {'train2017': 118287, 'val2017': 5000}
CROWD = 254
"""Value of crowds in the maps that are drawn here; category ids end at 90."""
NO_OBJECT = 0
UNUSED = frozenset((12, 26, 29, 30, 45, 66, 68, 69, 71, 83))
"""Category ids between 1 and 90 that COCO 2017 does not use."""
CATEGORIES = tuple(value for value in range(1, 91) if value not in UNUSED)


def meaning_of(names: dict[int, str]) -> Meaning:
    """Return the meaning of drawn maps.

    Args:
        names: Category id -> name, as the annotations tell.
    """
    target = {NO_OBJECT: IGNORE, CROWD: IGNORE}
    for value in CATEGORIES:
        target[value] = NORMAL if value in TO_CITYSCAPES else ANOMALY
        if value in LIKE_KNOWN:
            target[value] = IGNORE
    words = {value: names.get(value, f'category {value}') for value in CATEGORIES}
    return Meaning(target, {**words, NO_OBJECT: 'no object', CROWD: 'crowd'})


@dataclass(frozen=True)
class DrawnItem(BenchmarkItem):
    """An image whose label map is drawn from its annotated objects.

    Args:
        objects: As in COCO's annotations.
        shape: (height, width) that the annotations give the image.
    """

    objects: Sequence[dict[str, Any]] = field(compare=False, repr=False, kw_only=True)
    shape: tuple[int, int] = field(kw_only=True)

    def values(self) -> NDArray[np.uint8]:
        """Draw the label map: (H, W) uint8 category ids, small objects above large ones.

        Raises:
            DataError: A category is none of COCO 2017, or an outline cannot be drawn.
        """
        what = f'{self.mask_path}, image {self.image_path.name}'
        try:
            values = draw_values(self.objects, self.shape, _value, NO_OBJECT)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            msg = f'{what}: an object is not in the format of COCO ({error!r})'
            raise DataError(msg) from error
        check_labels(values, self.meaning.target, what)
        return values


def open_sets(root: Path) -> list[BenchmarkSet]:
    """Open the splits whose annotations are present.

    Raises:
        DataError: An annotation file is not in COCO's format, names an unknown category, or its
            images are missing.
    """
    sets = []
    base = folder_among(root, FOLDER) or root
    for split, published in SPLITS.items():
        file = base / 'annotations' / f'instances_{split}.json'
        if not file.is_file():
            continue
        folder = folder_among(base, split, f'images/{split}')
        if folder is None:
            msg = f'there is no folder {base / split}, expected the images that {file} describes'
            raise DataError(msg)
        content = read_annotations(file)
        untold = [name for name in content.objects if name not in content.shapes]
        if untold:
            msg = f'{file} tells no height and width of {untold[0]}, expected both'
            raise DataError(msg)
        unknown = sorted(content.categories() - set(CATEGORIES))
        if unknown:
            msg = (
                f'{file} holds the category ids {unknown[:8]}, expected those of COCO 2017: 1-90 '
                f'without {sorted(UNUSED)}'
            )
            raise DataError(msg)
        missing = [name for name in content.objects if not (folder / name).is_file()]
        if missing:
            msg = (
                f'{file} describes {missing[0]}, which is not in {folder}, expected all '
                f'{len(content.objects)} images ({len(missing)} are missing)'
            )
            raise DataError(msg)
        meaning = meaning_of(content.names)
        items = tuple(
            DrawnItem(
                f'COCO-{split}/{Path(name).stem}', folder / name, file, meaning,
                objects=content.objects[name], shape=content.shapes[name],
            )
            for name in sorted(content.objects)
        )  # fmt: skip
        if items:
            sets.append(
                BenchmarkSet(
                    f'COCO-{split}', version_of(root, items), items,
                    default=split == 'val2017', published=published,
                    notes=('no streets: for tuning, no figures are published',),
                )
            )  # fmt: skip
    return sets


def _value(item: dict[str, Any], mask: NDArray[np.uint8]) -> int:
    del mask
    return CROWD if item.get('iscrowd') else int(item['category_id'])


BENCHMARKS.register('coco')(
    Benchmark(
        title='COCO 2017',
        archives=(
            Archive('http://images.cocodataset.org/zips/val2017.zip', 'val2017.zip'),
            Archive('http://images.cocodataset.org/zips/train2017.zip', 'train2017.zip'),
            Archive(
                'http://images.cocodataset.org/annotations/annotations_trainval2017.zip',
                'annotations_trainval2017.zip',
            ),
        ),
        unpack=('unzip val2017.zip', 'unzip annotations_trainval2017.zip'),
        layout=(
            'annotations/instances_{train2017,val2017}.json',
            '{train2017,val2017}/NAME.jpg, or images/{train2017,val2017}/NAME.jpg',
        ),
        labels="category ids; objects of Cityscapes' classes normal, others anomaly, objects much "
        'like known ones, crowds and what no object covers ignored',
        open=open_sets,
    )
)
