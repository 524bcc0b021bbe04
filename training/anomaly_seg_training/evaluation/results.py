# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From what an evaluation has kept to figures, and from figures to a table for a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from anomaly_seg_ros.metrics import (
    AnomalyMetrics,
    AnomalyResult,
    CalibrationError,
    ComponentMetrics,
    ConfusionMatrix,
    PerImageMetrics,
)
from anomaly_seg_training.benchmark import Protocol
from anomaly_seg_training.evaluation.models import Model
from anomaly_seg_training.evaluation.store import Store

_THREADS = 4


def anomaly_rows(
    store: Store,
    outputs: Mapping[str, tuple[str, str]],
    protocol: Protocol,
    curves: int = 0,
    per_image: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield the figures of each output, for JSON; none for a set without anomaly ground truth.

    Args:
        store: All images are done.
        outputs: (score, refinement) of each output, by the output's name.
        protocol: How figures are taken.
        curves: Points of the ROC and PR curves; 0 leaves them out.
        per_image: Report the figures of each image, too.
    """
    done = [name for name, facts in store.done().items() if facts['anomaly']]
    if not done:
        return

    def row(output: str) -> dict[str, Any]:
        single = per_image or not protocol.pooled
        images = _of_images(store, output, done) if single else PerImageMetrics()
        pooled = store.metrics(output, done) if protocol.pooled or curves else AnomalyMetrics()
        result = (pooled if protocol.pooled else images).compute()
        score, refinement = outputs[output]
        found: dict[str, Any] = {'score': score, 'refinement': refinement, 'output': output}
        found |= _figures(result, protocol)
        if protocol.components is not None:
            found['components'] = _components(store, output, result, protocol)
        if curves:
            points = pooled.curves(curves)
            found['curves'] = None if points is None else points.as_dict()
        if per_image:
            found['per_image'] = [
                {'image': name, **_figures(figures, protocol)}
                for name, figures in zip(done, images.results, strict=True)
            ]
        return found

    # Sorting and searching, which is most of it, leave other threads alone.
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        yield from pool.map(row, outputs)


def segmentation_row(store: Store, model: Model) -> dict[str, Any] | None:
    """Return the figures of the classes, for JSON; None for a set without class labels."""
    classes = model.engine.card.classes
    matrix, calibration, images = ConfusionMatrix(len(classes)), CalibrationError(), 0
    for maps in store.class_maps():
        matrix.update(maps['labels'], maps['target'])
        confidence = maps['confidence'].astype(np.float32) / 255
        calibration.update(confidence, maps['labels'], maps['target'])
        images += 1
    if not images:
        return None
    found = matrix.compute().as_dict()
    for key in ('iou', 'false_positive_rate'):
        found[key] = dict(zip(classes.names, found[key], strict=True))
    return {'images': images, **found, 'ece': calibration.compute().ece}


def table(content: dict[str, Any]) -> str:
    """Return the figures as a table for a terminal, in percent."""
    bundles = len(content['models']) > 1
    lines = []
    rows: list[tuple[str, ...]] = [
        ('set', 'score', 'refinement', 'AUROC', 'AP', 'FPR95', 'images')
    ]
    rows += [
        (
            row['set'] + (f' ({row["bundle"]})' if bundles else ''), row['score'],
            row['refinement'], _percent(row['auroc'], 2), _percent(row['ap'], 2),
            _percent(row['fpr95'], 2), str(row['images']),
        )
        for row in content['results']
    ]  # fmt: skip
    if len(rows) > 1:
        lines += _aligned(rows, 3)
    rows = [('set', 'mIoU', 'accuracy', 'ECE', 'images')]
    rows += [
        (
            row['set'] + (f' ({row["bundle"]})' if bundles else ''), _percent(row['miou'], 2),
            _percent(row['accuracy'], 2), _percent(row['ece'], 2), str(row['images']),
        )
        for row in content['segmentation']
    ]  # fmt: skip
    if len(rows) > 1:
        lines += _aligned(rows, 1)
    doubts = [doubt for found in content['sets'] for doubt in found['doubts']]
    lines += [f'does not compare with published figures: {doubt}' for doubt in doubts]
    return '\n'.join(lines)


def _of_images(store: Store, output: str, names: Sequence[str]) -> PerImageMetrics:
    metrics = PerImageMetrics()
    metrics.results.extend(store.metrics(output, [name]).compute() for name in names)
    return metrics


def _figures(result: AnomalyResult, protocol: Protocol) -> dict[str, Any]:
    """Return the figures, ``fpr95`` by the rule of the protocol and by the other rules beside."""
    fields = result.as_dict()
    fields['fpr95_first'] = fields['fpr95']
    return {
        'auroc': fields['auroc'],
        'ap': fields['ap'],
        'fpr95': fields[protocol.fpr_field],
        'images': fields['images'],
        'pixels': fields['pixels'],
        'anomalous_pixels': fields['anomalous_pixels'],
        'best_f1': fields['best_f1'],
        'best_f1_threshold': fields['best_f1_threshold'],
        **{f'fpr95_{rule}': fields[f'fpr95_{rule}'] for rule in _RULES},
    }


_RULES = ('first', 'nearest', 'caos', 'interpolated')


def _components(
    store: Store, output: str, result: AnomalyResult, protocol: Protocol
) -> dict[str, Any] | None:
    """Return the component figures at the threshold with the best pixel F1."""
    threshold = result.best_f1_mask_threshold
    if threshold is None:
        return None
    metrics = ComponentMetrics(protocol.components, threshold)
    for score, target in store.maps(output):
        metrics.update(score.astype(np.float32), target)
    return {'threshold': threshold, **metrics.compute().as_dict()}


def _percent(value: float | None, digits: int) -> str:
    return '-' if value is None else f'{100 * value:.{digits}f}'


def _aligned(rows: Sequence[tuple[str, ...]], left: int) -> list[str]:
    """Return rows with columns of equal width, the first `left` of them flush left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        '  '.join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
