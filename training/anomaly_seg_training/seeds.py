# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one recipe reaches: bundles of several seeds beside the segmenter that they began with."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_training.data import anomaly
from anomaly_seg_training.measure import evaluate

_VAL = 'cityscapes_mini/val'
_FIGURES = ('auroc', 'ap', 'fpr95')


def measure_seeds(
    start: str,
    bundles: Sequence[str],
    data: Path,
    outputs: Sequence[str],
    engine: str = 'onnxruntime',
    threads: int = 0,
) -> dict[str, Any]:
    """Measure the start and the bundles, one after the other.

    Args:
        start: A bundle of the segmenter before the training.
        bundles: Of one recipe, with different seeds.
        data: Folder of the data sets.
        outputs: Scores, refined or not.
        engine: That runs them all.
        threads: Of it; 0 = all cores.

    Returns:
        ``start`` and ``runs``, each as `measure.evaluate` returns it; ``outputs``;
        ``provenance``.

    Raises:
        AnomalySegError: A bundle or data set cannot be used, or an output is not offered.
    """

    def figures(name: str) -> dict[str, Any]:
        bundle = Bundle.open(name)
        with closing(load_engine(engine, bundle, threads=threads)) as running:
            found = evaluate(running, data, outputs)
        del found['provenance']
        return found

    return {
        'kind': 'seeds',
        'outputs': list(outputs),
        'start': figures(start),
        'runs': [figures(name) for name in bundles],
        'provenance': provenance(),
    }


def markdown(content: Mapping[str, Any]) -> str:
    """Return the content of `measure_seeds` as Markdown: mean and spread, then every seed."""
    return '\n'.join(_lines(content)) + '\n'


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    start, runs = content['start'], content['runs']
    seeds = ', '.join(str(run['training'].get('seed', '?')) for run in runs)
    yield f'# {runs[0]["bundle"]} over seeds'
    yield ''
    yield (
        f'In percent: mean ± standard deviation over the seeds {seeds}, and in brackets what the '
        f'segmenter had before ({start["bundle"]}). Engine {runs[0]["engine"]}, images and ground '
        f'truth at {runs[0]["size"]}, pixels pooled. Nothing was tuned on the anomaly sets.'
    )
    if shrinkage := runs[0].get('shrinkage'):
        yield (
            f'The class statistics of what was trained are drawn together, by '
            f'{shrinkage["mean"]:g} of the means and {shrinkage["std"]:g} of the deviations.'
        )
    recipe = runs[0]['training'].get('recipe', {})
    if 'stream_octaves' in recipe and recipe.get('stream_sharpness'):
        mirrored = ', mirrored too,' if recipe.get('stream_mirrored') else ''
        yield (
            f'The second stream sees {recipe["stream_octaves"]} octaves{mirrored} pooled at '
            f'sharpness {recipe["stream_sharpness"]:g}.'
        )
    yield from ('', f'Made by `{content["provenance"]["command"]}`.', '')
    yield from ('| mIoU on cityscapes_mini/val | |', '|---|---|')
    for key, text in (('miou', 'from one confusion matrix'), ('miou_per_image', 'mean of frames')):
        yield f'| {text} | {_cell(start, runs, _at(_VAL, key))} |'
    yield from _on_the_way(runs)
    for place in (name for name in anomaly.MASKS if name in start):
        yield from ('', f'## {place}', '', '| output | AUROC | AP | FPR95 |', '|---|---|---|---|')
        for output in content['outputs']:
            cells = [_cell(start, runs, _at(place, output, key)) for key in _FIGURES]
            yield f'| {output} | {" | ".join(cells)} |'
    yield from ('', '## Every seed: AP / FPR95', '')
    places = [name for name in anomaly.MASKS if name in start]
    yield f'| seed | steps | minutes | output | {" | ".join(places)} |'
    yield f'|---|---|---|---|{"---|" * len(places)}'
    for run in runs:
        training = run['training']
        about = [str(training.get(key, '')) for key in ('seed', 'steps', 'minutes')]
        for output in content['outputs']:
            cells = [
                f'{100 * run[p][output]["ap"]:.2f} / {100 * run[p][output]["fpr95"]:.2f}'
                for p in places
            ]
            yield f'| {" | ".join((*about, output, *cells))} |'


def _on_the_way(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what all trainings measured on their own validation scenes, if they did."""
    histories = [
        {row['step']: row for row in run['training'].get('validation') or []} for run in runs
    ]
    steps = sorted(set.intersection(*map(set, histories)))
    if not steps:
        return
    scores = [key for key, value in histories[0][steps[0]].items() if isinstance(value, dict)]
    yield from ('', '## Objects pasted into validation frames', '')
    yield 'What the trainings measured on the way, AP / FPR95.'
    yield from ('', f'| step | {" | ".join(scores)} |', f'|---|{"---|" * len(scores)}')
    for step in steps:
        cells = [
            ' / '.join(
                _spread([100 * rows[step][score][key] for rows in histories])
                for key in _FIGURES[1:]
            )
            for score in scores
        ]
        yield f'| {step} | {" | ".join(cells)} |'


def _at(*keys: str) -> Callable[[Mapping[str, Any]], float]:
    def find(figures: Mapping[str, Any]) -> float:
        value: Any = figures
        for key in keys:
            value = value[key]
        return 100 * float(value)

    return find


def _cell(
    start: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]],
    find: Callable[[Mapping[str, Any]], float],
) -> str:
    return f'{_spread([find(run) for run in runs])} ({find(start):.2f})'


def _spread(values: Sequence[float]) -> str:
    spread = f' ± {statistics.stdev(values):.2f}' if len(values) > 1 else ''
    return f'{statistics.fmean(values):.2f}{spread}'
