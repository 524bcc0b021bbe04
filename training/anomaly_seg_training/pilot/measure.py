# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an arm's segmenter is worth: 1 - max softmax by the protocol caos, and its classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.metrics import ConfusionMatrix, PerImageMetrics, ThresholdAnalysis
from anomaly_seg_ros.scores import SCORES
from anomaly_seg_ros.size import Size
from anomaly_seg_training.benchmark import PROTOCOLS, BenchmarkSet
from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.segment import segment_function
from anomaly_seg_training.resizing import resize_image
from anomaly_seg_training.tensors import channels_first

SCORE = 'max_softmax'


def measure(
    start: Start, found: BenchmarkSet, size: Size, step: int, without: list[str], thresholds: int
) -> dict[str, Any]:
    """Measure a segmenter on a set whose held-out classes are anomalies.

    The score is 1 - max softmax (equation 2 of Lu et al. 2021), figures are those of the protocol
    ``caos``: means over images with both kinds of pixels, nothing ignored.

    Args:
        start: The segmenter.
        found: The set.
        size: At which the network sees the images; scores are compared at the images' own size.
        step: Measure on every `step`-th image.
        without: Classes that were taught as unknown. They are normal by the protocol; a second set
            of figures leaves their pixels out, as the varying "random guess" of the paper's Table
            I tells that it does.
        thresholds: How many there are between 0 and the largest score, for both accuracies over
            the threshold (Fig. 4).
    """
    protocol = PROTOCOLS.get('caos')
    classes = start.classes
    device = str(next(start.network.parameters()).device)
    segment = segment_function(start, device)
    everything, rest = PerImageMetrics(), PerImageMetrics()
    matrix = ConfusionMatrix(len(classes))
    places = np.linspace(0, 1 - 1 / len(classes), thresholds + 2)[1:-1]
    analysis = ThresholdAnalysis(len(classes), places.tolist())
    left_out = [classes.names.index(name) for name in without]
    for item in tqdm(found.items[::step], desc=found.name, unit='image', disable=None):
        image, target = item.read()
        _, labels = item.read_classes()
        shown = resize_image(image, size)
        batch = channels_first(shown)[None]
        with torch.inference_mode():
            logits = torch.nn.functional.interpolate(
                segment(batch.to(device)), image.shape[:2], mode='bilinear', align_corners=False
            )
            score = SCORES.get(SCORE)(logits)[0].cpu().numpy()
            predicted = logits.argmax(1)[0].byte().cpu().numpy()
        counted = protocol.target(target)
        everything.update(protocol.score(score), counted)
        taken = np.isin(labels, left_out)
        rest.update(protocol.score(score), np.where(taken, np.uint8(IGNORE), counted))
        matrix.update(predicted, np.where(taken, np.uint8(IGNORE), labels))
        analysis.update(score, predicted, labels, target)
    result = {'miou': round(matrix.compute().miou, 5), **_figures(everything)}
    if without:
        result['without_taught'] = _figures(rest)
    curve = analysis.compute()
    result['threshold_analysis'] = {
        'thresholds': [round(value, 5) for value in curve.thresholds],
        'semantic_accuracy': _rounded(curve.semantic_accuracy),
        'anomaly_accuracy': _rounded(curve.anomaly_accuracy),
    }
    return result


def _rounded(values: tuple[float, ...] | None) -> list[float] | None:
    return None if values is None else [round(value, 5) for value in values]


def _figures(metrics: PerImageMetrics) -> dict[str, Any]:
    """Return AP, AUROC, FPR95 and the AP of a random guess, each a mean over images."""
    found = metrics.compute().as_dict()
    field = PROTOCOLS.get('caos').fpr_field
    shares = [r.anomalous_pixels / r.pixels for r in metrics.results if r.ap is not None]
    return {
        'ap': found['ap'],
        'auroc': found['auroc'],
        'fpr95': found[field],
        'random_ap': float(np.mean(shares)) if shares else None,
        'images': len(shares),
    }
