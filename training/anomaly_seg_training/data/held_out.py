# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any benchmark's labelled set to train on, with its own classes, some of them held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example
from anomaly_seg_training.data.labelled import DataError


@READERS.register('benchmark')
def read(
    root: Path,
    *,
    dataset: str,
    path: str = '',
    split: str = '',
    hold_out: Sequence[str] = (),
    unknown: Sequence[str] = (),
    view: str = '',
    step: int = 1,
) -> Iterator[Example]:
    """Yield images of a set with labels of its own classes.

    Args:
        root: Folder of the data sets.
        dataset: A name of `benchmark.BENCHMARKS`.
        path: The data set's folder below `root`; its name where that is empty.
        split: Name of the set; empty for the only one.
        hold_out: Names of classes that stay out of the classes; their pixels are ignored.
        unknown: Names of classes that remain classes but whose pixels are marked as unknown.
        view: Size at which the images show the world as networks shall see it, WIDTHxHEIGHT; empty
            for their own.
        step: Take every `step`-th image.

    Raises:
        KeyError: There is no such data set.
        DataError: It is not there, has no such set or class, or a file cannot be used.
    """
    # The benchmarks' readers use this package.
    from anomaly_seg_training.benchmark import open_benchmark
    from anomaly_seg_training.benchmark.held_out import hold_out as held_out

    sets = {found.name: found for found in open_benchmark(dataset, root / (path or dataset))}
    if split not in sets and (split or len(sets) != 1):
        msg = f'{dataset} has no set {split!r}, expected one of: {", ".join(sets)}'
        raise DataError(msg)
    found = held_out(sets[split] if split else next(iter(sets.values())), tuple(hold_out))
    classes = found.meaning.classes
    strange = [name for name in unknown if name not in classes]
    if strange:
        msg = f'received the unknown class {strange[0]!r}, expected some of: {", ".join(classes)}'
        raise DataError(msg)
    marked = [classes.index(name) for name in unknown]
    for item in found.items[::step]:
        image, labels = item.read_classes()
        shown = np.isin(labels, marked) if marked else None
        if shown is not None:
            labels = np.where(shown, np.uint8(IGNORE), labels)
        size = Size.parse(view) if view else Size(labels.shape[1], labels.shape[0])
        yield Example(
            f'{dataset}/{item.name}', image, labels, size, taught=False, classes=classes,
            unknown=shown,
        )  # fmt: skip
