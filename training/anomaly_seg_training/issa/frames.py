# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crops of frames, for both stages."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import choose_box, crop_image
from anomaly_seg_training.data import Example
from anomaly_seg_training.issa.recipe import IssaRecipe


class FrameCrops(Dataset[torch.Tensor]):
    """Random crops, perhaps mirrored; item i of epoch e depends on (seed, e, i) alone.

    Args:
        sources: Frames by data set.
        recipe: Shares, size and scale.
        length: Items per epoch.
        seed: Of all draws.
        epoch: Chooses this epoch's draws.
    """

    def __init__(
        self, sources: dict[str, list[Example]], recipe: IssaRecipe, length: int, seed: int,
        epoch: int,
    ) -> None:  # fmt: skip
        self.sources = list(sources.values())
        shares = np.array([recipe.frames[name] for name in sources])
        self.shares = shares / shares.sum()
        self.size = Size.parse(recipe.size)
        self.scale = (recipe.scale[0], recipe.scale[1])
        self.length = length
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the items per epoch."""
        return self.length

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return a crop, (3, h, w) uint8 RGB."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        examples = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
        example = examples[int(rng.integers(len(examples)))]
        box = choose_box(rng, example.view, self.size, self.scale)
        image = crop_image(example.image, box, self.size)
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
