# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crops of frames, for both stages."""

from __future__ import annotations

import numpy as np
import torch

from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import crop_image
from anomaly_seg_training.data import Example
from anomaly_seg_training.drawing import CropDraw, DrawnItems
from anomaly_seg_training.issa.recipe import IssaRecipe
from anomaly_seg_training.tensors import channels_first


class FrameCrops(DrawnItems[torch.Tensor]):
    """Random crops, (3, h, w) uint8 RGB.

    Args:
        sources: Frames by data set.
        recipe: Shares, size and scale.
        length: As for `DrawnItems`.
        seed: As for `DrawnItems`.
        epoch: As for `DrawnItems`.
    """

    def __init__(
        self, sources: dict[str, list[Example]], recipe: IssaRecipe, length: int, seed: int,
        epoch: int,
    ) -> None:  # fmt: skip
        super().__init__(length, seed, epoch)
        self.crops = CropDraw(sources, recipe.frames, Size.parse(recipe.size), recipe.scale)

    def draw(self, rng: np.random.Generator) -> torch.Tensor:
        """Return a crop."""
        example, box = self.crops(rng)
        return channels_first(crop_image(example.image, box, self.crops.size))
