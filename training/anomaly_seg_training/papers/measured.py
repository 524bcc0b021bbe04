# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the lab has measured, from the JSON files that its commands write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomaly_seg_training.errors import LabError

POOLED = 'fishyscapes'
"""Protocol of the files that name none: pixels pooled, first threshold with enough recall."""


@dataclass(frozen=True)
class Origin:
    """Where figures come from.

    Args:
        file: Name of the file.
        model: Name of the bundle or network.
        set: Of the images.
        images: How many counted; None where the file does not say.
        size: WIDTHxHEIGHT to which images were brought, or ``native``.
        network_size: At which the network ran.
        protocol: A name of `benchmark.PROTOCOLS`; empty for mIoU.
        passes: What was averaged, such as mirror images; empty for one forward.
    """

    file: str
    model: str
    set: str
    images: int | None
    size: str
    network_size: str
    protocol: str = ''
    passes: str = ''


@dataclass(frozen=True)
class Measured:
    """Figures of one model, score and set, as fractions; None where a class is absent.

    Args:
        origin: Where they come from.
        score: Name of the score; empty for mIoU.
        refinement: Name of the refinement; empty for mIoU.
        figures: By keys of `tables.METRICS`.
    """

    origin: Origin
    score: str
    refinement: str
    figures: Mapping[str, float | None]


def read_results(path: Path) -> list[Measured]:
    """Read the figures of `evaluate`, of `tables refinements` or of `measure bundle`.

    Returns:
        None of them for a JSON file of another kind.

    Raises:
        LabError: The file cannot be read, or holds something that its kind does not.
    """
    try:
        content = json.loads(path.read_text('utf-8'))
    except (OSError, ValueError) as error:
        msg = f'cannot read the results {path} ({error}): give .json files of the lab'
        raise LabError(msg) from error
    kind = _kind(content)
    if kind is None:
        return []
    try:
        found = list(kind(path.name, content))
    except (KeyError, TypeError, AttributeError) as error:
        msg = f'{path} does not hold what its kind of results does ({error!r}): make it again'
        raise LabError(msg) from error
    for entry in found:
        for key, value in entry.figures.items():
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (good and 0 <= value <= 1):
                received = f'{key} of {entry.origin.set} is {value!r}'
                msg = f'{path}: {received}, expected a number from 0 to 1'
                raise LabError(msg)
    return found


def _kind(content: Any) -> Any:
    if not isinstance(content, dict):
        return None
    if {'results', 'models', 'protocols'} <= set(content):
        return _evaluated
    if {'results', 'network', 'statistics_from'} <= set(content):
        return _refined
    if {'bundle', 'engine', 'hashes', 'size'} <= set(content):
        return _of_bundle
    return None


def _evaluated(file: str, content: dict[str, Any]) -> Iterator[Measured]:
    models = {model['hash']: model for model in content['models']}
    for row in content['results'] + content['segmentation']:
        model = models[row['model_hash']]
        passes = [*(['mirror image'] if model['flip'] else []),
                  *(f'zoom {zoom:g}' for zoom in model['zooms'] if zoom != 1)]  # fmt: skip
        score = row.get('score', '')
        origin = Origin(
            file, row['bundle'], row['set'], row['images'], row['size'], row['network_size'],
            row['protocol'] if score else '', ', '.join(passes),
        )  # fmt: skip
        yield Measured(origin, score, row.get('refinement', ''), _figures(row))


def _refined(file: str, content: dict[str, Any]) -> Iterator[Measured]:
    for row in content['results']:
        origin = Origin(
            file, content['network']['segmenter'], row['set'], row['images'], row['resolution'],
            row['size'], POOLED, 'mirror image' if row['passes'] == 'flip' else '',
        )  # fmt: skip
        yield Measured(origin, row['score'], row['refinement'], _figures(row))


def _of_bundle(file: str, content: dict[str, Any]) -> Iterator[Measured]:
    for name, figures in content.items():
        if not isinstance(figures, dict):
            continue
        origin = Origin(file, content['bundle'], name, None, content['size'], content['size'])
        if isinstance(figures.get('miou'), float):
            yield Measured(origin, '', '', _figures(figures))
        origin = replace(origin, protocol=POOLED)
        for score, row in figures.items():
            if isinstance(row, dict) and {'auroc', 'ap', 'fpr95'} <= set(row):
                yield Measured(origin, score, 'none', _figures(row))


def _figures(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {key: row[key] for key in ('auroc', 'ap', 'fpr95', 'miou') if key in row}
