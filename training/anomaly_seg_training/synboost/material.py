# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the dissimilarity network is trained and validated on."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_seg_ros.detector import ResynthesisDetector
from anomaly_seg_training.run_settings import RunSettings
from anomaly_seg_training.synboost.examples import read_scenes
from anomaly_seg_training.synboost.predictions import Predictions, SegmentedScene
from anomaly_seg_training.synboost.recipe import DissimilarityRecipe

FOLDER = 'predictions'
"""Of a run, for what the segmenter says."""

Scenes = dict[str, list[SegmentedScene]]


@dataclass(frozen=True)
class Material:
    """What runs are trained and validated on: scenes by data set, segmented.

    Args:
        sources: For training.
        held_out: For validation.
    """

    sources: Scenes
    held_out: Scenes


def gather(
    detector: ResynthesisDetector, recipe: DissimilarityRecipe, run: RunSettings
) -> Material:
    """Read a recipe's scenes, and ask the segmenter about them.

    Its answers stay in a folder in `run.out`.

    Raises:
        AnomalySegError: A data set cannot be used.
    """
    detector.to(run.torch_device)
    ask = Predictions(detector, run.out / FOLDER)
    material = Material(
        ask.of(read_scenes(list(recipe.shares), recipe.reader_options, run.data)),
        ask.of(read_scenes(list(recipe.validation), recipe.validation, run.data)),
    )
    detector.cpu()
    return material
