# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every refinement of every score of one image, and the class statistics that they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.classes import ClassSet
from anomaly_seg_ros.engines.base import LABELS
from anomaly_seg_ros.refinement import NO_SHRINKAGE, Shrinkage, output_names, split_output
from anomaly_seg_ros.refinement.chain import RefinedScores
from anomaly_seg_ros.refinement.statistics import ClassStatistics, statistics_table
from anomaly_seg_ros.refinement.vde import VdeConfig

Maps = Mapping[str, NDArray[Any]]


def take_statistics(
    images: Iterable[Maps], scores: Sequence[str], num_classes: int
) -> dict[str, dict[str, list[Any]]]:
    """Return the class statistics of scores over images, as a card holds them.

    Args:
        images: Of each the predicted ``labels`` and the scores, (H, W).
        scores: Names of scores.
        num_classes: C.

    Raises:
        RefinementError: There are no pixels, or a score is not finite.
    """
    found = {score: ClassStatistics(num_classes) for score in scores}
    for maps in images:
        for score, statistics in found.items():
            statistics.update(maps[score], maps[LABELS])
    return {score: statistics.to_json() for score, statistics in found.items()}


class Refiner:
    """Refines all scores of an image; refinements that begin alike share the work.

    Args:
        scores: Names of scores.
        refinements: Names of refinements.
        statistics: Class statistics by score.
        classes: For the number of classes and which are drivable.
        vde: Threshold and amounts of VDE.
        shrinkage: How far the statistics are drawn together.
    """

    def __init__(
        self,
        scores: Sequence[str],
        refinements: Sequence[str],
        statistics: Mapping[str, Mapping[str, Sequence[float]]],
        classes: ClassSet,
        vde: VdeConfig | None = None,
        shrinkage: Shrinkage = NO_SHRINKAGE,
    ) -> None:
        self.scores = tuple(scores)
        self.outputs = output_names(self.scores, tuple(refinements))
        self._drivable = classes.drivable
        self._vde = vde
        table = statistics_table(statistics, self.scores, len(classes), shrinkage)
        self._statistics = torch.from_numpy(table)

    @torch.inference_mode()
    def refine(self, maps: Maps) -> dict[str, NDArray[np.float32]]:
        """Return all `outputs`, (H, W) float32.

        Args:
            maps: ``labels`` (H, W) uint8 and the scores (H, W) float32.
        """
        refined = RefinedScores(
            lambda: torch.from_numpy(maps[LABELS])[None],
            lambda score: torch.from_numpy(maps[score])[None],
            self.scores,
            self._statistics,
            self._drivable,
            self._vde,
        )
        return {name: refined.get(*split_output(name))[0].numpy() for name in self.outputs}
