# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of a bundle through its engine: IoU and anomaly metrics at a fixed size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.engines import Engine
from anomaly_seg_ros.metrics import AnomalyMetrics, AnomalyResult, ConfusionMatrix
from anomaly_seg_ros.metrics.segmentation import SegmentationResult
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size
from anomaly_seg_training.card_training import card_training
from anomaly_seg_training.data import Example, anomaly, cityscapes
from anomaly_seg_training.data.anomaly import AnomalyExample
from anomaly_seg_training.resizing import resize_image, resize_labels

SIZE = Size(1024, 512)
"""Images and ground truth are brought to this size, see `resizing`."""


def miou(
    engine: Engine, examples: Iterable[Example], size: Size = SIZE
) -> tuple[SegmentationResult, float]:
    """Measure IoU on labelled examples.

    Returns:
        The result of one confusion matrix over all examples, and the mean over examples of the
        mIoU of the classes in each example's ground truth.
    """
    matrix, means = ConfusionMatrix(len(engine.card.classes)), []
    for example in tqdm(examples, desc='IoU', unit='image', disable=None):
        if example.labels is not None:
            image, target = resize_image(example.image, size), resize_labels(example.labels, size)
            labels = engine.run(image[None], ('labels',))['labels'][0]
            matrix.update(labels, target)
            single = ConfusionMatrix(matrix.num_classes)
            single.update(labels, target)
            iou = np.array(single.compute().iou)
            means.append(iou[single.counts.sum(1) > 0].mean())
    return matrix.compute(), float(np.mean(means))


def anomaly_figures(
    engine: Engine,
    examples: Iterable[AnomalyExample],
    scores: Sequence[str],
    size: Size = SIZE,
) -> dict[str, AnomalyResult]:
    """Measure AUROC, AP and FPR95 of scores, pixels of all examples pooled."""
    metrics = {name: AnomalyMetrics() for name in scores}
    for example in tqdm(examples, desc='anomaly', unit='image', disable=None):
        image, target = resize_image(example.image, size), resize_labels(example.target, size)
        outputs = engine.run(image[None], tuple(scores))
        for name, metric in metrics.items():
            metric.update(outputs[name][0], target)
    return {name: metric.compute() for name, metric in metrics.items()}


def normal_scores(
    engine: Engine, examples: Iterable[Example], scores: Sequence[str], every: int = 5
) -> dict[str, NDArray[np.float32]]:
    """Collect scores on labelled, hence normal, pixels at each image's own size.

    Args:
        engine: Runs the bundle.
        examples: Labelled images.
        scores: Names of scores.
        every: Take every n-th labelled pixel of an image, to bound memory.
    """
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in scores}
    for example in tqdm(examples, desc='normal pixels', unit='image', disable=None):
        if example.labels is not None:
            normal = example.labels != IGNORE
            outputs = engine.run(example.image[None], tuple(scores))
            for name, parts in found.items():
                parts.append(outputs[name][0][normal][::every])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def evaluate(engine: Engine, data: Path, outputs: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure what the reports show: IoU on Cityscapes val and every score on anomaly sets.

    Args:
        engine: Runs the bundle.
        data: Folder of the data sets; anomaly sets that are absent are left out.
        outputs: Scores, refined or not, as the card names them; all scores by default.

    Raises:
        DataError: Cityscapes val is missing, or a data set holds unknown labels.
    """
    result, per_image = miou(engine, cityscapes.read(data, split='val'))
    content: dict[str, Any] = {
        'bundle': engine.card.name,
        'hashes': engine.card.hashes,
        'engine': engine.name,
        'size': str(SIZE),
        'score': engine.card.score,
        'training': card_training(engine.card),
        'cityscapes_mini/val': {
            'miou': result.miou,
            'miou_per_image': per_image,
            'accuracy': result.accuracy,
            'iou': dict(zip(CITYSCAPES.names, result.as_dict()['iou'], strict=True)),
        },
    }
    if engine.card.shrinkage:
        content['shrinkage'] = engine.card.shrinkage.as_dict()
    for name in anomaly.MASKS:
        if (data / anomaly.FOLDER / name).is_dir():
            examples = anomaly.read(data, name)
            figures = anomaly_figures(engine, examples, outputs or engine.card.scores)
            content[name] = {
                score: {'auroc': f.auroc, 'ap': f.ap, 'fpr95': f.fpr95}
                for score, f in figures.items()
            }
    content['provenance'] = provenance()
    return content


def table(content: dict[str, Any]) -> str:
    """Return the content of `evaluate` as Markdown, figures in percent."""
    val = content['cityscapes_mini/val']
    lines = [
        f'# {content["bundle"]}, measured',
        '',
        f'Engine {content["engine"]}, images and ground truth at {content["size"]}.',
        '',
        f'**mIoU on cityscapes_mini/val: {100 * val["miou"]:.1f} %** from one confusion matrix,',
        f'{100 * val["miou_per_image"]:.1f} % as the mean over frames of the classes in each.',
        '',
        '| class | IoU |',
        '|---|---|',
    ]
    for name, iou in val['iou'].items():
        lines.append(f'| {name} | {"absent" if iou is None else f"{100 * iou:.1f}"} |')
    sets = [name for name in anomaly.MASKS if name in content]
    if sets:
        lines += [
            '',
            'Anomaly scores, pooled pixels: AUROC / AP / FPR95 in percent. Nothing was tuned on',
            f"these sets; the bundle's default score is {content['score']}.",
            '',
            f'| score | {" | ".join(sets)} |',
            f'|---|{"---|" * len(sets)}',
        ]
        for score in content[sets[0]]:
            cells = [content[name][score] for name in sets]
            texts = [f'{100 * c["auroc"]:.1f} / {100 * c["ap"]:.2f} / {100 * c["fpr95"]:.1f}'
                     for c in cells]  # fmt: skip
            lines.append(f'| {score} | {" | ".join(texts)} |')
    return '\n'.join(lines) + '\n'
