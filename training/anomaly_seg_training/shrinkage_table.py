# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far class statistics are best drawn together, on data that may be tuned on."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.engines.base import LABELS
from anomaly_seg_ros.metrics import AnomalyMetrics
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.refinement import Shrinkage, output_name, parse_refinement
from anomaly_seg_ros.refinement.names import SML
from anomaly_seg_training.data.anomaly import AnomalyExample
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.measure import SIZE
from anomaly_seg_training.refining import Refiner
from anomaly_seg_training.resizing import resize_image, resize_labels
from anomaly_seg_training.tuning_sets import TUNING_SETS, Reader

_FIGURES = ('auroc', 'ap', 'fpr95')


def compare(
    bundles: Sequence[str],
    data: Path,
    *,
    score: str = 'max_logit',
    refinement: str = 'sml+suppress+smooth',
    means: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    stds: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    sets: Mapping[str, Reader] = TUNING_SETS,
    images: int | None = None,
    engine: str = 'onnxruntime',
    threads: int = 0,
) -> dict[str, Any]:
    """Measure a refined score with every pair of shrinkages, one network after the other.

    Args:
        bundles: With class statistics; of one recipe, with different seeds.
        data: Folder of the data sets.
        score: That is refined.
        refinement: With ``sml``.
        means: Shrinkages of the means.
        stds: Shrinkages of the deviations.
        sets: What it is measured on.
        images: Of each set at most so many, to try it out.
        engine: That runs the bundles.
        threads: Of it; 0 = all cores.

    Returns:
        ``rows``: per bundle, set and pair AUROC, AP and FPR95 at `SIZE`, pixels pooled; ``best``:
        the pair with the highest AP, averaged over sets and bundles; ``provenance``.

    Raises:
        AnomalySegError: A bundle or data set cannot be used, or nothing would be standardised.
    """
    if SML not in parse_refinement(refinement):
        msg = f'received the refinement {refinement!r}, expected one with {SML}'
        raise LabError(msg)
    pairs = [Shrinkage(mean, std) for mean in means for std in stds]
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(bundles):
        bundle = Bundle.open(name)
        card = bundle.card
        if score not in (card.statistics or {}):
            msg = f'{name} has no class statistics of {score}: calibrate it first'
            raise LabError(msg)
        refiners = {
            pair: Refiner(
                (score,), (refinement,), card.statistics or {}, card.classes, shrinkage=pair
            )
            for pair in pairs
        }
        about = {'bundle': number, 'name': card.name, 'seed': card.training.get('seed')}
        with closing(load_engine(engine, bundle, threads=threads)) as running:
            for place, read in sets.items():
                found = _measure(running, islice(read(data), images), place, score, refiners)
                rows += [
                    {**about, 'set': place, 'mean': p.mean, 'std': p.std, **figures}
                    for p, figures in found.items()
                ]
    content = {
        'kind': 'shrinkage',
        'output': output_name(score, refinement),
        'size': str(SIZE),
        'rows': rows,
    }
    mean, std = max(((p.mean, p.std) for p in pairs), key=lambda pair: _mean_ap(content, pair))
    return {**content, 'best': {'mean': mean, 'std': std}, 'provenance': provenance()}


def _measure(
    engine: Engine,
    examples: Iterable[AnomalyExample],
    place: str,
    score: str,
    refiners: Mapping[Shrinkage, Refiner],
) -> dict[Shrinkage, dict[str, float | None]]:
    metrics = {pair: AnomalyMetrics() for pair in refiners}
    for example in tqdm(examples, desc=place, unit='image', disable=None):
        image, target = resize_image(example.image, SIZE), resize_labels(example.target, SIZE)
        # The graph refines at the network's size, so the maps must come at that size.
        small = cv2.resize(image, engine.card.input_size, interpolation=cv2.INTER_LINEAR)
        outputs = engine.run(np.asarray(small, np.uint8)[None], (LABELS, score))
        maps = {key: found[0] for key, found in outputs.items()}
        for pair, refiner in refiners.items():
            (refined,) = refiner.refine(maps).values()
            whole = cv2.resize(refined, SIZE, interpolation=cv2.INTER_LINEAR)
            metrics[pair].update(np.asarray(whole, np.float32), target)
    results = {pair: metric.compute().as_dict() for pair, metric in metrics.items()}
    return {pair: {key: result[key] for key in _FIGURES} for pair, result in results.items()}


def _at(content: Mapping[str, Any], pair: tuple[float, float], key: str, place: str) -> float:
    """Return a figure in percent, averaged over bundles."""
    return statistics.fmean(
        100 * row[key]
        for row in content['rows']
        if (row['mean'], row['std']) == pair and row['set'] == place
    )


def _mean_ap(content: Mapping[str, Any], pair: tuple[float, float]) -> float:
    places = dict.fromkeys(row['set'] for row in content['rows'])
    return statistics.fmean(_at(content, pair, 'ap', place) for place in places)


def markdown(content: Mapping[str, Any]) -> str:
    """Return the content of `compare` as Markdown, figures in percent."""
    return '\n'.join(_lines(content)) + '\n'


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    rows, best, origin = content['rows'], content['best'], content['provenance']
    means = list(dict.fromkeys(row['mean'] for row in rows))
    stds = list(dict.fromkeys(row['std'] for row in rows))
    networks = dict.fromkeys((row['bundle'], row['name'], row['seed']) for row in rows)
    named = ', '.join(f'{name} (seed {seed})' for _, name, seed in networks)
    yield from ('# Shrinkage of class statistics', '')
    yield (
        f'Output {content["output"]} of {named}: images and ground truth at {content["size"]}, '
        'pixels pooled, mean over the networks. These sets are for choices; none is reported on.'
    )
    yield from ('', f'Made by `{origin["command"]}`.', '')
    yield (
        f'The highest AP on average over sets and networks: {best["mean"]:g} of the means, '
        f'{best["std"]:g} of the deviations.'
    )
    heading = f'| means \\ deviations | {" | ".join(f"{std:g}" for std in stds)} |'
    parts: list[tuple[str, Callable[[tuple[float, float]], str]]] = [
        ('AP, mean over the sets', lambda pair: f'{_mean_ap(content, pair):.1f}')
    ]
    parts += [
        (f'{place}: AP / FPR95', _cells(content, place))
        for place in dict.fromkeys(row['set'] for row in rows)
    ]
    for title, cell in parts:
        yield from ('', f'## {title[0].upper()}{title[1:]}', '', heading)
        yield f'|---|{"---|" * len(stds)}'
        for mean in means:
            yield f'| {mean:g} | {" | ".join(cell((mean, std)) for std in stds)} |'


def _cells(content: Mapping[str, Any], place: str) -> Callable[[tuple[float, float]], str]:
    return lambda pair: ' / '.join(f'{_at(content, pair, key, place):.1f}' for key in _FIGURES[1:])
