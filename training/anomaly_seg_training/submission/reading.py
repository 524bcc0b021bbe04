# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of a submission, from its files and ground truth alone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from anomaly_seg_training.benchmark import PROTOCOLS, BenchmarkSet
from anomaly_seg_training.data.labelled import translate
from anomaly_seg_training.evaluation.results import anomaly_rows
from anomaly_seg_training.evaluation.store import Store
from anomaly_seg_training.submission.layouts import Layout

_OUTPUT = 'submission'
_NAMES = ('score', 'refinement', 'output')


def evaluate_submission(
    layout: Layout, sets: Sequence[BenchmarkSet], protocol: str | None = None
) -> list[dict[str, Any]]:
    """Take the figures of a submission, as `evaluate` does of a network.

    Args:
        layout: Where the files lie; frames are called like the items of the sets.
        sets: With ground truth.
        protocol: A name of `PROTOCOLS`; None takes that by which each set is published.

    Returns:
        One row for each set, for JSON.

    Raises:
        KeyError: The protocol is unknown.
        SubmissionError: A file of a frame is missing or cannot be used.
        DataError: A label map cannot be used.
    """
    rows = []
    for found in sets:
        rules = PROTOCOLS.get(protocol or found.protocol)
        with tempfile.TemporaryDirectory(prefix='anomaly-seg-lab-') as place:
            store = Store(Path(place), (_OUTPUT,), keep_maps=rules.components is not None)
            for item in tqdm(found, desc=found.name, unit='image', disable=None):
                target = translate(item.values(), item.meaning.target, str(item.mask_path))
                name = item.name.partition('/')[2]
                height, width = target.shape
                score = rules.score(layout.read(name, (height, width)))
                store.add(name, {_OUTPUT: score}, rules.target(target), None, {})
            common = {
                'method': layout.method, 'format': layout.format, 'dataset': layout.dataset,
                'set': found.name, 'set_version': found.version, 'protocol': rules.name,
                'doubts': rules.doubts(found),
            }  # fmt: skip
            rows += [
                {**common, **{key: value for key, value in row.items() if key not in _NAMES}}
                for row in anomaly_rows(store, {_OUTPUT: (layout.method, '')}, rules)
            ]
    return rows
