# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random crops of data sets that have shares of an epoch; every draw can be repeated."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from torch.utils.data import Dataset

from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import Box, choose_box
from anomaly_seg_training.data import Example

Item = TypeVar('Item')


class CropDraw:
    """Draws an example and a crop of it, perhaps mirrored.

    Args:
        sources: Examples by data set.
        shares: How often each data set is drawn, relative to the others.
        size: Of the crops, in network pixels.
        scale: Lowest and highest scale, relative to each example's view.
    """

    def __init__(
        self,
        sources: Mapping[str, Sequence[Example]],
        shares: Mapping[str, float],
        size: Size,
        scale: Sequence[float],
    ) -> None:
        self.sources = list(sources.values())
        weights = np.array([shares[name] for name in sources])
        self.shares = weights / weights.sum()
        self.size = size
        self.scale = (scale[0], scale[1])

    def __call__(self, rng: np.random.Generator) -> tuple[Example, Box]:
        """Return an example and where it is cut."""
        examples = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
        example = examples[int(rng.integers(len(examples)))]
        return example, choose_box(rng, example.view, self.size, self.scale)


class DrawnItems(Dataset[Item]):
    """Random items; item i of epoch e depends on (seed, e, i) alone.

    Args:
        length: Items per epoch.
        seed: Of all draws.
        epoch: Chooses this epoch's draws.
    """

    def __init__(self, length: int, seed: int, epoch: int) -> None:
        self.length = length
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the items per epoch."""
        return self.length

    def __getitem__(self, index: int) -> Item:
        """Return an item."""
        return self.draw(np.random.default_rng((self.seed, self.epoch, index)))

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Item:
        """Return the item that the state of the generator stands for."""
