# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Examples of anomalies, made from labelled scenes (section 3.2 of the paper)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import choose_box, crop_image, crop_labels
from anomaly_seg_training.drawing import DrawnItems
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.synboost.crops import Pair
from anomaly_seg_training.synboost.predictions import SegmentedScene
from anomaly_seg_training.synboost.recipe import DissimilarityRecipe
from anomaly_seg_training.synboost.scenes import SCENES, Scene
from anomaly_seg_training.synboost.swapping import swap_instances
from anomaly_seg_training.tensors import channels_first


@dataclass(frozen=True)
class Making:
    """How examples are made.

    Args:
        shares: Of each list of scenes.
        size: Of the examples.
        scale: Lowest and highest zoom.
        void_share: Share of examples whose anomalies are void regions.
        least_area: Pixels of the smallest instance that is changed.
    """

    shares: tuple[float, ...]
    size: Size
    scale: tuple[float, float]
    void_share: float
    least_area: int


class AnomalyExamples(DrawnItems[Pair]):
    """Examples of both kinds; item i of epoch e depends on (seed, e, i) alone.

    Args:
        sources: Scenes by data set.
        making: How examples are made.
        length: Items per epoch.
        seed: Of all draws.
        epoch: Chooses this epoch's draws.
    """

    def __init__(
        self, sources: Sequence[Sequence[SegmentedScene]], making: Making, length: int, seed: int,
        epoch: int,
    ) -> None:  # fmt: skip
        super().__init__(length, seed, epoch)
        self.sources = sources
        self.making = making
        self.shares = np.array(making.shares) / sum(making.shares)

    def draw(self, rng: np.random.Generator) -> Pair:
        """Make an example.

        Returns:
            ``image``, (3, h, w) uint8 RGB; ``labels``, (h, w) uint8, what synthesis is told;
            ``doubts``, (2, h, w) uint8, the segmenter's entropy and softmax distance in 255ths;
            ``target``, (h, w) uint8, 1 on anomalies, 0 on other known pixels, 255 elsewhere.
        """
        scenes = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
        segmented = scenes[int(rng.integers(len(scenes)))]
        scene, making = segmented.scene, self.making
        swapped, target = None, scene.void
        if rng.random() >= making.void_share:
            swapped, where = swap_instances(scene.labels, scene.instances, rng, making.least_area)
            target = np.where(scene.labels == IGNORE, IGNORE, where).astype(np.uint8)
        box = choose_box(rng, scene.view, making.size, making.scale)
        # What the segmenter says of void regions is what synthesis will be told of anomalies.
        labels = crop_labels(segmented.predicted[..., 0], box, making.size)
        if swapped is not None:
            told = crop_labels(swapped, box, making.size)
            labels = np.where(told == IGNORE, labels, told)
        return {
            'image': channels_first(crop_image(scene.image, box, making.size)),
            'labels': torch.from_numpy(labels),
            'doubts': channels_first(crop_image(segmented.predicted, box, making.size))[1:],
            'target': torch.from_numpy(crop_labels(target, box, making.size)),
        }


def training_examples(
    sources: Mapping[str, Sequence[SegmentedScene]], recipe: DissimilarityRecipe, length: int,
    seed: int, epoch: int,
) -> AnomalyExamples:  # fmt: skip
    """Return examples as a recipe asks for them."""
    shares = [recipe.shares[name] for name in sources]
    return AnomalyExamples(
        list(sources.values()), _making(recipe, shares, recipe.void_share), length, seed, epoch
    )


def validation_examples(
    sources: Mapping[str, Sequence[SegmentedScene]], recipe: DissimilarityRecipe
) -> AnomalyExamples:
    """Return the validation set: always the same, both kinds of anomalies half and half.

    Half and half whatever the recipe trains on, so that recipes can be compared.
    """
    making = _making(recipe, [1.0] * len(sources), 0.5)
    return AnomalyExamples(list(sources.values()), making, recipe.validation_items, 0, 0)


def _making(recipe: DissimilarityRecipe, shares: Sequence[float], void_share: float) -> Making:
    return Making(
        tuple(shares), Size.parse(recipe.size), (recipe.scale[0], recipe.scale[1]), void_share,
        recipe.least_area,
    )  # fmt: skip


def read_scenes(
    names: Sequence[str], options: Mapping[str, dict[str, Any]], data: Path
) -> dict[str, list[Scene]]:
    """Read data sets into memory, no larger than their views.

    Raises:
        LabError: A data set is missing or empty, holds unknown labels, or an option is unknown.
    """
    result = {}
    for name in names:
        try:
            scenes = [_shrunk(s) for s in SCENES.get(name)(data, **options.get(name, {}))]
        except TypeError as error:
            msg = f'recipe key reader_options.{name}: {error}'
            raise LabError(msg) from error
        if not scenes:
            msg = f'the data set {name} gives no scene: check its reader_options'
            raise LabError(msg)
        result[name] = scenes
    return result


def _shrunk(scene: Scene) -> Scene:
    height, width = scene.labels.shape
    if width <= scene.view.width and height <= scene.view.height:
        return scene
    size = (scene.view.width, scene.view.height)

    def nearest(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return cv2.resize(values, size, interpolation=cv2.INTER_NEAREST)

    return replace(
        scene,
        image=np.asarray(cv2.resize(scene.image, size, interpolation=cv2.INTER_AREA), np.uint8),
        labels=nearest(scene.labels),
        instances=nearest(scene.instances),
        void=nearest(scene.void),
    )


def batches(examples: Dataset[Pair], length: int, batch: int) -> Iterator[Pair]:
    """Yield the items of a data set in order, stacked; the last batch may be smaller."""
    for start in range(0, length, batch):
        items = [examples[index] for index in range(start, min(length, start + batch))]
        yield {key: torch.stack([item[key] for item in items]) for key in items[0]}
