# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images whose regions were moved over the boundary of their class, see ``generate mgu``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example
from anomaly_seg_training.data.labelled import DataError
from anomaly_seg_training.mgu.shards import FLIPPED, NOT, read_items, read_manifest, shard_path

FOLDER = 'mgu'
REGION, ONLY_FLIPPED = 'region', 'flipped'


@READERS.register('mgu')
def read(
    root: Path, *, path: str = FOLDER, unknown: str = REGION, step: int = 1
) -> Iterator[Example]:
    """Yield generated images with what is unknown in them.

    Args:
        root: Folder that `path` is relative to.
        path: ``--out`` of ``generate mgu``.
        unknown: ``region``, all pixels of the class, as in the paper; or ``flipped``, those that
            the updates have moved over the boundary, in the stored 8 bits; the others of the
            region are ignored then.
        step: Take every `step`-th image.

    Raises:
        DataError: `unknown` is another word.
        MguError: The folder is not the result of a finished generation, or is damaged.
    """
    if unknown not in (REGION, ONLY_FLIPPED):
        msg = f'received unknown {unknown!r}, expected {REGION} or {ONLY_FLIPPED}'
        raise DataError(msg)
    folder = root / path
    manifest = read_manifest(folder)
    classes = tuple(str(name) for name in manifest['classes'])
    count = 0
    for number in range(int(manifest['shards'])):
        for item in read_items(shard_path(folder, number)):
            count += 1
            if (count - 1) % step:
                continue
            region = item.region != NOT
            shown = region if unknown == REGION else item.region == FLIPPED
            labels = np.where(region, np.uint8(IGNORE), item.labels)
            view = Size(labels.shape[1], labels.shape[0])
            name = f'mgu/{classes[item.record.label]}/{item.record.name}'
            yield Example(
                name,
                item.image,
                labels,
                view,
                taught=False,
                classes=classes,
                unknown=shown,
                exact=True,
            )
