# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norm statistics as the network will meet them: whole photographs, nothing distorted.

In training the statistics come from distorted, mixed and partly generated crops, and from weights
that are not the averaged ones. Both are set right by one pass over training images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import torch
from torch import nn
from tqdm import tqdm

from anomaly_seg_ros.bundle import Preprocessing
from anomaly_seg_ros.size import Size
from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.data import READERS, Example

_BATCH = 4


@torch.no_grad()
def recalibrate(
    segmenter: nn.Module,
    examples: Iterable[Example],
    preprocessing: Preprocessing,
    size: Size,
    kept: Iterable[nn.Module] = (),
) -> None:
    """Replace the running statistics of all batch norms by averages over examples.

    Args:
        segmenter: Left in evaluation mode, with the same weights.
        examples: Whole images, resized to `size`.
        preprocessing: What the segmenter was trained with.
        size: The size at which it will run.
        kept: Parts whose statistics stay as they are, since training has not changed them.
    """
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (preprocessing.mean, preprocessing.std))
    images = []
    for example in tqdm(examples, desc='norm statistics', unit='image', disable=None):
        resized = cv2.resize(example.image, size, interpolation=cv2.INTER_LINEAR)
        images.append(torch.from_numpy(resized).permute(2, 0, 1))
    segmenter.eval()
    fixed = {id(m) for part in kept for m in part.modules()}
    norms = [
        m for m in segmenter.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and id(m) not in fixed
    ]  # fmt: skip
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # A plain mean over all batches.
        norm.train()
    for start in range(0, len(images), _BATCH):
        batch = torch.stack(images[start : start + _BATCH]).float() / 255
        segmenter((batch - mean) / std)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def photographs(recipe: SegmenterRecipe, data: Path) -> Iterator[Example]:
    """Yield up to ``recipe.norm_images`` evenly spaced images of each set of street photographs.

    Generated scenes and COCO come only when the recipe has nothing else.
    """
    names = [name for name, share in recipe.shares.items() if share > 0]
    real = [name for name in names if name not in ('synthetic', 'coco')] or names
    for name in real:
        examples = list(READERS.get(name)(data, **recipe.reader_options.get(name, {})))
        count = min(recipe.norm_images, len(examples))
        for index in range(count):
            yield examples[index * len(examples) // count]
