# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The calibration a new bundle starts with: from the recipe's labelled training images or bags.

It promises nothing of other cameras, and little of the training images' own: they were seen in
training. ``anomaly-seg calibrate`` replaces it by one from normal drives, with a guarantee.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import anomaly_seg_ros
from anomaly_seg_ros.bundle import Bundle, Card, Threshold
from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.refinement.statistics import ClassStatistics
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip
from anomaly_seg_training.data import READERS, Example
from anomaly_seg_training.data.anomaly import AnomalyExample
from anomaly_seg_training.measure import SIZE, anomaly_figures, normal_scores

QUANTILE = 0.995
DISPLAY = (0.05, 0.999)
EVERY = 20
"""Every n-th labelled pixel gives quantiles."""
CLIPS = 24
"""Generated clips with unknown objects that choose the default score; seeds from 5000."""
BAGS = 'bags'
SOURCES = {'cityscapes': 'cityscapes_mini/train', 'camvid': 'camvid'}
"""Data sets whose labelled pixels calibrate, as a card names them."""
ReaderOptions = Mapping[str, Mapping[str, Any]]
"""Data set -> options of its reader."""


def calibrate(
    draft: Bundle,
    shares: Mapping[str, float],
    data: Path,
    threads: int = 0,
    reader_options: ReaderOptions | None = None,
) -> Card:
    """Return the card with default score, class statistics, thresholds and display ranges.

    The default score is the one with the best AUROC on generated clips with unknown objects, and
    that of a re-synthesis detector its own. The statistics are of every score on labelled pixels;
    the threshold of every output is the 99.5 % quantile there, its display range goes from the
    5 % to the 99.9 % quantile.

    Args:
        draft: A bundle that can be run.
        shares: Data sets of the recipe, which name the labelled images.
        data: Folder of the data sets.
        threads: Of the engine; 0 = all cores.
        reader_options: Of the recipe; only those of ``bags`` are used.
    """
    card = draft.card
    engine = load_engine('onnxruntime', draft, threads=threads)
    results = anomaly_figures(engine, unknown_objects(CLIPS), card.scores)
    # The clips hold unknown objects and normal pixels, so no figure is None.
    figures = {name: result.as_dict() for name, result in results.items()}
    statistics = class_statistics(engine, labelled(shares, data, reader_options))
    engine.close()
    score = max(card.scores, key=lambda name: figures[name]['auroc'])
    card = replace(
        card,
        score=score if card.resynthesis is None else card.score,
        statistics=statistics,
        measured={
            'synthetic clips with unknown objects (chose the score)': {
                name: {key: round(f[key], 4) for key in ('auroc', 'ap', 'fpr95')}
                for name, f in figures.items()
            }
        },
    )
    # Standardised scores need the statistics just taken.
    engine = load_engine('onnxruntime', Bundle(draft.path, card), threads=threads)
    values = normal_scores(engine, labelled(shares, data, reader_options), card.outputs, EVERY)
    engine.close()
    source = labelled_source(shares)
    method = f'{100 * QUANTILE:g} % quantile on {source}'
    if seen_in_training(shares):
        method += ', which training has seen'
    entries = {name: _entry(scores, method, source) for name, scores in values.items()}
    default = entries[card.output]
    return replace(
        card,
        calibration=entries,
        threshold=Threshold(default['threshold'], default['method']),
        score_range=tuple(default['score_range']),
    )


def class_statistics(engine: Engine, examples: Iterator[Example]) -> dict[str, Any]:
    """Take mean and deviation per predicted class of every score on labelled pixels."""
    card = engine.card
    found = {name: ClassStatistics(len(card.classes)) for name in card.scores}
    for example in tqdm(examples, desc='statistics', unit='image', disable=None):
        if example.labels is not None:
            outputs = engine.run(example.image[None], ('labels', *card.scores))
            ignore = example.labels == IGNORE
            for name, statistics in found.items():
                statistics.update(outputs[name][0], outputs['labels'][0], ignore)
    return {name: statistics.to_json() for name, statistics in found.items()}


def labelled(
    shares: Mapping[str, float], data: Path, reader_options: ReaderOptions | None = None
) -> Iterator[Example]:
    """Yield the recipe's labelled photographs, and every tenth frame of CamVid.

    A recipe that has neither, but bags, gives their frames: of a frame without labels every pixel
    counts as normal, as in ``anomaly-seg calibrate``. One that has none of them gives generated
    scenes.
    """
    parts: list[Iterator[Example]] = []
    if shares.get('cityscapes'):
        parts.append(READERS.get('cityscapes')(data))
    if shares.get('camvid'):
        parts.append(READERS.get('camvid')(data, step=10))
    if not parts and shares.get(BAGS):
        frames = READERS.get(BAGS)(data, **(reader_options or {}).get(BAGS, {}))
        parts.append(_all_normal(example) for example in frames)
    return chain(*parts) if parts else READERS.get('synthetic')(data, clips=CLIPS, frames=1)


def _all_normal(example: Example) -> Example:
    if example.labels is not None:
        return example
    return replace(example, labels=np.zeros(example.image.shape[:2], np.uint8))


def unknown_objects(clips: int, seed: int = 5000) -> Iterator[AnomalyExample]:
    """Yield one frame each of generated clips that show unknown objects."""
    for index in range(clips):
        config = SceneConfig(size=SIZE, seed=seed + index, frames=20, unknown_objects=10)
        frame = StreetClip(config)[10]
        yield AnomalyExample(f'synthetic/{seed + index}', frame.image, frame.anomaly)


def labelled_source(shares: Mapping[str, float]) -> str:
    """Say what `labelled` yields."""
    names = [name for key, name in SOURCES.items() if shares.get(key)]
    if names:
        return f'labelled pixels of {" and ".join(names)}'
    if shares.get(BAGS):
        return "frames of the recipe's bags, which are taken to be normal"
    return 'labelled pixels of generated scenes'


def seen_in_training(shares: Mapping[str, float]) -> bool:
    """Tell whether a recipe trains on what `labelled` yields."""
    return any(shares.get(name) for name in (*SOURCES, BAGS, 'synthetic'))


def _entry(
    scores: np.ndarray[Any, np.dtype[np.float32]], method: str, source: str
) -> dict[str, Any]:
    low, high = (round(float(v), 5) for v in np.quantile(scores, DISPLAY))
    return {
        'threshold': round(float(np.quantile(scores, QUANTILE)), 5),
        'method': method,
        'score_range': [low, max(high, low + 1e-4)],
        'false_positive_rate': round(1 - QUANTILE, 6),
        'level': 'pixel',
        'guarantee': 'none',
        'source': source,
        'pixels': len(scores) * EVERY,
        'date': datetime.now(timezone.utc).strftime('%Y-%m-%d'),
        'version': anomaly_seg_ros.__version__,
    }
