# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How well whole objects are found: sIoU, PPV and F1* of SegmentMeIfYouCan.

Chan et al. 2021, "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", the metrics on
component level. A pixel figure is ruled by large objects; here each object counts once.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.metrics.anomaly import check
from anomaly_seg_ros.metrics.errors import MetricError

THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.25, 0.75, 11).tolist())
"""The values of tau over which F1* is the mean."""
_ANOMALY = 1


@dataclass(frozen=True)
class ComponentRule:
    """What counts as a component.

    Args:
        min_predicted: Pixels; smaller predicted components are removed.
        min_target: Pixels; smaller components of the ground truth are ignored, with what is
            predicted on them.
    """

    min_predicted: int = 500
    min_target: int = 100


COMPONENT_RULES = {
    'smiyc-anomaly': ComponentRule(500, 100),
    'smiyc-obstacle': ComponentRule(50, 10),
}
"""The rules of the two tracks of SegmentMeIfYouCan; sets of neither use the first."""


@dataclass(frozen=True)
class ComponentResult:
    """Figures over all components of a set, fractions in [0, 1].

    Args:
        siou: Mean of sIoU over the components of the ground truth; None without any.
        ppv: Mean of the positive predictive value over predicted components; None without any.
        f1_star: Mean of `f1`; None where there is neither ground truth nor prediction.
        f1: 2 TP / (2 TP + FN + FP) at each of `THRESHOLDS`; empty where `f1_star` is None.
        true_positives: Components of the ground truth with sIoU >= tau, at each of them.
        false_negatives: The other components of the ground truth.
        false_positives: Predicted components with PPV < tau.
        target_components: Components of the ground truth that count.
        predicted_components: Predicted components that count.
        images: Images added.
    """

    siou: float | None
    ppv: float | None
    f1_star: float | None
    f1: tuple[float, ...]
    true_positives: tuple[int, ...]
    false_negatives: tuple[int, ...]
    false_positives: tuple[int, ...]
    target_components: int
    predicted_components: int
    images: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


class ComponentMetrics:
    """Compares predicted components with those of the ground truth, image by image.

    Pixels are connected to all eight neighbours. What is predicted where the ground truth is
    ignored does not count, and is cut away before components are formed, so that an ignored
    stripe can split a component.

    Args:
        rule: Sizes below which components do not count.
        threshold: Scores above it are predicted to be anomalous; the benchmark takes the one
            with the best pixel F1 on the same set, `AnomalyResult.best_f1_mask_threshold`. Only
            needed for scores.
    """

    def __init__(self, rule: ComponentRule | None = None, threshold: float | None = None) -> None:
        self.rule = rule or ComponentRule()
        self.threshold = threshold
        self._siou: list[float] = []
        self._ppv: list[float] = []
        self._images = 0

    @property
    def siou(self) -> list[float]:
        """The sIoU of each component of the ground truth."""
        return list(self._siou)

    @property
    def ppv(self) -> list[float]:
        """The positive predictive value of each predicted component."""
        return list(self._ppv)

    def update(self, prediction: NDArray[Any], target: NDArray[Any]) -> None:
        """Add one or more images.

        Args:
            prediction: (H, W) or (N, H, W) a mask, booleans or integers, not 0 = anomalous; or
                scores, floats, higher = more anomalous.
            target: Integers of the same shape: 0 normal, 1 anomaly, 255 ignored.

        Raises:
            MetricError: Shapes differ or are none of images, the target holds another value, a
                score that counts is NaN, or scores came without a threshold. Nothing is added.
        """
        prediction, target = np.asarray(prediction), np.asarray(target)
        mask = self._mask(prediction, target)
        if target.ndim not in {2, 3}:
            msg = f'received a ground truth of shape {target.shape}, expected (H, W) or (N, H, W)'
            raise MetricError(msg)
        images = zip(mask, target, strict=True) if target.ndim > 2 else [(mask, target)]
        for one_mask, one_target in images:
            siou, ppv = compare(one_mask, one_target, self.rule)
            self._siou.extend(siou.tolist())
            self._ppv.extend(ppv.tolist())
            self._images += 1

    def merge(self, other: ComponentMetrics) -> None:
        """Add the components of `other`.

        Raises:
            ValueError: It has another rule or threshold.
        """
        ours, theirs = (self.rule, self.threshold), (other.rule, other.threshold)
        if ours != theirs:
            msg = f'cannot add components found by {theirs} to those found by {ours}'
            raise ValueError(msg)
        self._siou.extend(list(other._siou))
        self._ppv.extend(list(other._ppv))
        self._images += other._images

    def compute(self) -> ComponentResult:
        """Return the figures of everything added so far."""
        siou, ppv = np.array(self._siou), np.array(self._ppv)
        hits = [int(np.count_nonzero(siou >= tau)) for tau in THRESHOLDS]
        misses = [siou.size - hit for hit in hits]
        alarms = [int(np.count_nonzero(ppv < tau)) for tau in THRESHOLDS]
        f1: tuple[float, ...] = ()
        if siou.size or ppv.size:
            # A component of the ground truth is found or missed, and without any every PPV is 0
            # and below tau: nothing is divided by 0.
            counts = zip(hits, misses, alarms, strict=True)
            f1 = tuple(2 * tp / (2 * tp + fn + fp) for tp, fn, fp in counts)
        return ComponentResult(
            siou=math.fsum(self._siou) / siou.size if siou.size else None,
            ppv=math.fsum(self._ppv) / ppv.size if ppv.size else None,
            f1_star=math.fsum(f1) / len(f1) if f1 else None,
            f1=f1,
            true_positives=tuple(hits),
            false_negatives=tuple(misses),
            false_positives=tuple(alarms),
            target_components=siou.size,
            predicted_components=ppv.size,
            images=self._images,
        )

    def _mask(self, prediction: NDArray[Any], target: NDArray[Any]) -> NDArray[np.bool_]:
        if not np.issubdtype(prediction.dtype, np.floating):
            # The shapes and the values of the target are checked as those of scores are.
            check(np.broadcast_to(np.float32(0), prediction.shape), target)
            return np.asarray(prediction != 0)
        if self.threshold is None:
            msg = 'received scores, expected masks, or a threshold for ComponentMetrics'
            raise MetricError(msg)
        check(prediction, target)
        return np.asarray(prediction.astype(np.float32, copy=False) > np.float32(self.threshold))


def compare(
    mask: NDArray[np.bool_], target: NDArray[Any], rule: ComponentRule
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare the components of one image.

    Args:
        mask: (H, W), true = predicted to be anomalous.
        target: (H, W), 0 normal, 1 anomaly, 255 ignored.
        rule: Sizes below which components do not count.

    Returns:
        sIoU of each component K of the ground truth, with P the union of the predicted
        components that touch it and R the rest of the ground truth:
        |K & P| / (|K| + |P| - |K & P| - |P & R|); and PPV of each predicted component, the
        share of its pixels that lie on the ground truth.
    """
    valid = target != IGNORE
    predicted = _components(mask & valid)
    truth = _components(target == _ANOMALY)
    _remove(predicted, np.bincount(predicted.ravel()) < rule.min_predicted)
    # Components of the ground truth that are too small are ignored after the predicted ones were
    # formed and measured: they split none and make none too small.
    is_small = np.bincount(truth.ravel()) < rule.min_target
    is_small[0] = False
    valid &= ~is_small[truth]
    truth, predicted = truth[valid], predicted[valid]
    truth_areas, predicted_areas = np.bincount(truth), np.bincount(predicted)
    both = (truth > 0) & (predicted > 0)
    width = predicted_areas.size
    pairs, shared = np.unique(truth[both] * np.int64(width) + predicted[both], return_counts=True)
    of_truth, of_predicted = pairs // max(width, 1), pairs % max(width, 1)
    # (P,) pixels of each predicted component on any ground truth.
    hits = np.bincount(of_predicted, shared, width)

    def per_truth(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(of_truth, values, truth_areas.size).astype(np.float64, copy=False)

    intersection = per_truth(shared)
    union_predicted = per_truth(predicted_areas[of_predicted])
    on_others = per_truth(hits[of_predicted] - shared)
    union = truth_areas + union_predicted - intersection - on_others
    # Number 0 is what belongs to no component; numbers without a pixel are removed components.
    counted, there = np.flatnonzero(truth_areas[1:]) + 1, np.flatnonzero(predicted_areas[1:]) + 1
    return intersection[counted] / union[counted], hits[there] / predicted_areas[there]


def _components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the number of the component of each pixel, 0 outside."""
    _, labels = cv2.connectedComponents(np.ascontiguousarray(mask, np.uint8), connectivity=8)
    return labels.astype(np.int32, copy=False)


def _remove(labels: NDArray[np.int32], removed: NDArray[np.bool_]) -> None:
    """Set the pixels of some components to 0, in place."""
    labels[removed[labels]] = 0
