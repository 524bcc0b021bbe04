# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was generated, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.generation import Generation
from anomaly_seg_training.mgu.shards import FORMAT, Record, read_index, shards


def describe(
    start: Start, generation: Generation, out: Path, areas: dict[str, dict[int, int]]
) -> dict[str, Any]:
    """Return the manifest of what lies in `out`.

    Args:
        start: The segmenter.
        generation: What was asked for.
        out: Folder of the shards.
        areas: Pixels per class of each frame.

    Returns:
        For JSON: settings, what fed them, `summary` of each class and of all, what is missing.
    """
    names = start.classes.names
    found: dict[int, list[Record]] = {}
    rejected = Counter[int]()
    paths = shards(out)
    for path in paths:
        index = read_index(path)
        for record in index.items:
            found.setdefault(record.label, []).append(record)
        rejected.update(label for _, label, _ in index.rejected)
    per_class = {
        names[label]: {'rejected': rejected[label], **summary(records)}
        for label, records in sorted(found.items())
    }
    asked = [names[label] for label in generation.classes or range(len(names))]
    notes = [
        f'{name}: {per_class[name]["images"] if name in per_class else 0} of '
        f'{generation.per_class} images'
        for name in asked
        if per_class.get(name, {}).get('images', 0) < generation.per_class
    ]
    return {
        'format': FORMAT,
        'classes': list(names),
        'start': start.as_dict(),
        'settings': generation.settings(start),
        'frames': len(areas),
        'shards': len(paths),
        'images': sum(entry['images'] for entry in per_class.values()),
        'per_class': per_class,
        'all': summary([record for records in found.values() for record in records]),
        'notes': notes,
    }


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return figures over images, pixels pooled.

    Returns:
        `images`; `right`, the share of the regions' pixels that were right at the start;
        `flipped`, of these the share that is wrong after the updates; `kept`, the share that is
        wrong in the stored image; `undone`, the share of the flipped ones that rounding undid,
        less those that it flipped; `l2` and `l_inf` as in `Record`, `l2` the mean over images and
        `l_inf` the largest; `iterations`, the mean.
    """
    right = sum(record.right for record in records)
    flipped = sum(record.flipped for record in records)
    kept = sum(record.kept for record in records)
    return {
        'images': len(records),
        'right': round(right / sum(record.pixels for record in records), 5),
        'flipped': round(flipped / right, 5),
        'kept': round(kept / right, 5),
        'undone': round((flipped - kept) / max(flipped, 1), 5),
        'l2': round(float(np.mean([record.l2 for record in records])), 3),
        'l_inf': max(record.l_inf for record in records),
        'iterations': round(float(np.mean([record.iterations for record in records])), 2),
    }
