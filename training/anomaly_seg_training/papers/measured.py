# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the lab has measured, from the JSON files that its commands write."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anomaly_seg_ros.refinement.names import NONE, SML, parse_refinement, split_output
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.papers.methods import PLAIN, SYNBOOST, method_of

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
        trained: What trained the network, see `methods`.
        seeds: Trainings whose figures were averaged; 0 where one network was measured.
    """

    file: str
    model: str
    set: str
    images: int | None
    size: str
    network_size: str
    protocol: str = ''
    passes: str = ''
    trained: str = PLAIN
    seeds: int = 0


@dataclass(frozen=True)
class Measured:
    """Figures of one model, score and set, as fractions; None where a class is absent.

    Args:
        origin: Where they come from.
        score: Name of the score; empty for mIoU.
        refinement: Name of the refinement; empty for mIoU.
        figures: By keys of `tables.METRICS`; their means where there are several trainings.
        spread: Standard deviations over trainings, by the same keys.
    """

    origin: Origin
    score: str
    refinement: str
    figures: Mapping[str, float | None]
    spread: Mapping[str, float] = field(default_factory=dict)


def read_results(path: Path) -> list[Measured]:
    """Read the figures of a file that a command of the lab has written.

    These are `evaluate`, `measure bundle`, `measure seeds`, `ablation`, `tables refinements` and
    `tables synboost`.

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
    by_kind = {'seeds': _seeds, 'synboost': _synboost, 'finetune_ablations': _ablations}
    if content.get('kind') in by_kind:
        return by_kind[content['kind']]
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
            method_of(model.get('training', {})),
        )  # fmt: skip
        refinement = row.get('refinement', '')
        if _published(model, refinement):
            yield Measured(origin, score, refinement, _figures(row))


def _refined(file: str, content: dict[str, Any]) -> Iterator[Measured]:
    for row in content['results']:
        origin = Origin(
            file, content['network']['segmenter'], row['set'], row['images'], row['resolution'],
            row['size'], POOLED, 'mirror image' if row['passes'] == 'flip' else '',
        )  # fmt: skip
        yield Measured(origin, row['score'], row['refinement'], _figures(row))


def _of_bundle(file: str, content: dict[str, Any]) -> Iterator[Measured]:
    trained = method_of(content.get('training', {}))
    for name, figures in content.items():
        if not isinstance(figures, dict) or name == 'training':
            continue
        origin = Origin(
            file, content['bundle'], name, None, content['size'], content['size'], trained=trained
        )
        if isinstance(figures.get('miou'), float):
            yield Measured(origin, '', '', _figures(figures))
        origin = replace(origin, protocol=POOLED)
        for output, row in figures.items():
            if isinstance(row, dict) and {'auroc', 'ap', 'fpr95'} <= set(row):
                score, refinement = split_output(output)
                if _published(content, refinement):
                    yield Measured(origin, score, refinement, _figures(row))


def _published(model: Mapping[str, Any], refinement: str) -> bool:
    """Tell whether a refinement is a paper's: with other statistics SML is none."""
    return 'shrinkage' not in model or SML not in parse_refinement(refinement or NONE)


def _seeds(file: str, content: dict[str, Any]) -> Iterator[Measured]:
    runs = [list(_of_bundle(file, run)) for run in content['runs']]
    for entries in zip(*runs, strict=True):
        yield _mean(entries[0], [entry.figures for entry in entries])


def _synboost(file: str, content: dict[str, Any]) -> Iterator[Measured]:
    steps = sorted({run['steps'] for run in content['runs'].values()})
    length = ' to '.join(map(str, dict.fromkeys((steps[0], steps[-1]))))
    network = f'SynBoost around {content["segmenter"]}, {length} steps'
    for variant, seeds in content['variants'].items():
        # The ensemble that is learnt end to end is in no table.
        if variant not in SYNBOOST:
            continue
        sets = [found['sets'] for found in seeds.values()]
        for name in sets[0]:
            origin = Origin(
                file, network, name, None, content['size'], content['size'], POOLED,
                trained=SYNBOOST[variant],
            )  # fmt: skip
            rows = [_figures(found[name]['synboost']) for found in sets]
            yield _mean(Measured(origin, 'synboost', 'none', rows[0]), rows)


def _ablations(file: str, content: dict[str, Any]) -> Iterator[Measured]:
    """Yield one arm for each table and method: the one that changes least."""
    start, size = content['start'], content['size']
    network = f'{start.get("bundle") or start.get("checkpoint")}, {content["schedule"]["steps"]}'
    seen = set()
    for table, found in content['tables'].items():
        methods = set()
        arms = sorted(found['arms'].items(), key=lambda arm: _changed(content, arm[1]['changes']))
        for name, arm in arms:
            recipe = content['schedule'] | arm['changes']
            method = method_of({'kind': 'finetune', 'recipe': recipe})
            runs = [content['runs'][key] for key in arm['runs'].values() if key in content['runs']]
            same = tuple(arm['runs'].values())
            if not runs or method in methods:
                continue
            methods.add(method)
            if same in seen:
                continue
            seen.add(same)
            origin = Origin(
                file, f'{network} steps, {table}: {name}', 'cityscapes_mini/val', None, size, size,
                trained=method,
            )  # fmt: skip
            yield _mean(Measured(origin, '', '', {}), [_figures(run) for run in runs])
            for place in runs[0]['sets']:
                pooled = replace(origin, set=place, protocol=POOLED)
                for score in content['scores']:
                    rows = [_figures(run['sets'][place][score]) for run in runs]
                    yield _mean(Measured(pooled, score, 'none', {}), rows)


def _changed(content: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[bool, int]:
    """Order arms: the paper's own aligner first, then by how many keys of the schedule change."""
    different = [key for key, value in changes.items() if content['schedule'].get(key) != value]
    return changes.get('aligner') != 'issa', len(different)


def _mean(entry: Measured, rows: Sequence[Mapping[str, float | None]]) -> Measured:
    """Return mean and spread of the same figures of several trainings."""
    mean: dict[str, float | None] = {}
    spread = {}
    for key in rows[0]:
        values = [value for row in rows if (value := row[key]) is not None]
        mean[key] = statistics.fmean(values) if len(values) == len(rows) else None
        if len(values) == len(rows) > 1:
            spread[key] = statistics.stdev(values)
    origin = replace(entry.origin, seeds=len(rows))
    return replace(entry, origin=origin, figures=mean, spread=spread)


def _figures(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {key: row[key] for key in ('auroc', 'ap', 'fpr95', 'miou') if key in row}
