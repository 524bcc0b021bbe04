# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled crops, for synthesis and for the perceptual network."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import choose_box, crop_image, crop_labels
from anomaly_seg_training.data import Example
from anomaly_seg_training.synboost.recipe import PerceptualRecipe, SynthesisRecipe

Pair = dict[str, torch.Tensor]


class LabelledCrops(Dataset[Pair]):
    """Random crops, perhaps mirrored; item i of epoch e depends on (seed, e, i) alone.

    Args:
        sources: Labelled images by data set.
        recipe: Shares, size and scale.
        length: Items per epoch.
        seed: Of all draws.
        epoch: Chooses this epoch's draws.
    """

    def __init__(
        self, sources: dict[str, list[Example]], recipe: SynthesisRecipe | PerceptualRecipe,
        length: int, seed: int, epoch: int,
    ) -> None:  # fmt: skip
        self.sources = list(sources.values())
        shares = np.array([recipe.shares[name] for name in sources])
        self.shares = shares / shares.sum()
        self.size = Size.parse(recipe.size)
        self.scale = (recipe.scale[0], recipe.scale[1])
        self.length = length
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the items per epoch."""
        return self.length

    def __getitem__(self, index: int) -> Pair:
        """Return ``image``, (3, h, w) uint8 RGB, and ``labels``, (h, w) uint8."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        examples = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
        example = examples[int(rng.integers(len(examples)))]
        assert example.labels is not None
        box = choose_box(rng, example.view, self.size, self.scale)
        image = crop_image(example.image, box, self.size)
        labels = crop_labels(example.labels, box, self.size)
        return {
            'image': torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            'labels': torch.from_numpy(labels),
        }
