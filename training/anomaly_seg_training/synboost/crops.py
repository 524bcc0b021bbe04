# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled crops, for synthesis and for the perceptual network."""

from __future__ import annotations

import numpy as np
import torch

from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import crop_image, crop_labels
from anomaly_seg_training.data import Example
from anomaly_seg_training.drawing import CropDraw, DrawnItems
from anomaly_seg_training.synboost.recipe import PerceptualRecipe, SynthesisRecipe
from anomaly_seg_training.tensors import channels_first

Pair = dict[str, torch.Tensor]


class LabelledCrops(DrawnItems[Pair]):
    """Random crops: ``image``, (3, h, w) uint8 RGB, and ``labels``, (h, w) uint8.

    Args:
        sources: Labelled images by data set.
        recipe: Shares, size and scale.
        length: As for `DrawnItems`.
        seed: As for `DrawnItems`.
        epoch: As for `DrawnItems`.
    """

    def __init__(
        self, sources: dict[str, list[Example]], recipe: SynthesisRecipe | PerceptualRecipe,
        length: int, seed: int, epoch: int,
    ) -> None:  # fmt: skip
        super().__init__(length, seed, epoch)
        self.crops = CropDraw(sources, recipe.shares, Size.parse(recipe.size), recipe.scale)

    def draw(self, rng: np.random.Generator) -> Pair:
        """Return a crop."""
        example, box = self.crops(rng)
        assert example.labels is not None
        return {
            'image': channels_first(crop_image(example.image, box, self.crops.size)),
            'labels': torch.from_numpy(crop_labels(example.labels, box, self.crops.size)),
        }
