# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fusions fitted on normal pixels and on pasted objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.fusion import (
    Fusion,
    ScoreSketch,
    TailTable,
    fuse_equally,
    fuse_logistic,
)
from anomaly_seg_ros.refinement import output_name

Maps = Mapping[str, NDArray[Any]]

EQUAL = ('mean_log', 'stouffer')
FITTED = 'logistic'
PER_IMAGE = 4000
"""Pixels of each kind that are drawn of an image to fit weights; neighbours say the same."""


def fused_name(method: str) -> str:
    """Return what a fusion is called as a score."""
    return f'fused_{method}'


def tail_tables(
    images: Iterable[tuple[Maps, NDArray[np.uint8] | None]], outputs: Sequence[str]
) -> dict[str, TailTable]:
    """Return how rare each output is on normal pixels.

    Args:
        images: Maps (H, W) and labels, of which 255 does not count; all pixels without labels.
        outputs: Names.

    Raises:
        FusionError: There are too few pixels.
    """
    sketches = {output: ScoreSketch() for output in outputs}
    for maps, labels in images:
        for output, sketch in sketches.items():
            values = maps[output]
            sketch.update(values if labels is None else values[labels != IGNORE])
    return {output: TailTable.of(sketch) for output, sketch in sketches.items()}


def sample_pixels(
    images: Iterable[tuple[Maps, NDArray[np.uint8]]], outputs: Sequence[str], seed: int
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.uint8]]:
    """Draw pixels of images with known anomalies.

    Args:
        images: Maps (H, W) and targets, 0 normal, 1 anomaly; others do not count.
        outputs: Names.
        seed: Of the draws.

    Returns:
        Values (n,) by output, and targets (n,).
    """
    rng = np.random.default_rng(seed)
    values: dict[str, list[NDArray[np.float32]]] = {output: [] for output in outputs}
    targets: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)]
    for maps, target in images:
        for kind in (0, 1):
            (places,) = np.nonzero(target.ravel() == kind)
            chosen = rng.permutation(places)[:PER_IMAGE]
            targets.append(np.full(len(chosen), kind, np.uint8))
            for output, parts in values.items():
                parts.append(maps[output].ravel()[chosen])
    joined = {output: np.concatenate(parts) for output, parts in values.items() if parts}
    return joined, np.concatenate(targets)


def fit_fusions(
    tables: Mapping[str, TailTable],
    scores: Sequence[str],
    refinements: Sequence[str],
    samples: Mapping[str, NDArray[Any]],
    target: NDArray[np.uint8],
    provenance: dict[str, Any],
) -> dict[str, Fusion]:
    """Return the fusions that are compared, by the name of their output.

    All scores with equal weights, for the first and the last of the refinements, by each method
    that needs no fitting; and all outputs with fitted weights.

    Raises:
        FusionError: No output tells anomalies apart.
    """
    fusions: dict[str, Fusion] = {}
    for method in EQUAL:
        for refinement in dict.fromkeys((refinements[0], refinements[-1])):
            chosen = {output_name(s, refinement): tables[output_name(s, refinement)]
                      for s in scores}  # fmt: skip
            name = output_name(fused_name(method), refinement)
            fusions[name] = fuse_equally(name, method, chosen, provenance=provenance)
    name = fused_name(FITTED)
    fusions[name] = fuse_logistic(name, tables, samples, target, provenance=provenance)
    return fusions
