# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labels of predictions, the schedule, grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_finetuning import RECIPE

from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import Example
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.dataset import pseudo_labelled
from anomaly_seg_training.finetune.module import on_grid, poly
from anomaly_seg_training.finetune.start import start_from_checkpoint


def test_predictions_label_what_is_sure(streetnet_weights: Path) -> None:
    recipe = FinetuneRecipe.from_dict(RECIPE)
    segmenter = start_from_checkpoint(recipe, streetnet_weights)
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    bare = Example('a', image, None, Size(128, 64))
    known = Example('b', image, np.zeros((64, 128), np.uint8), Size(128, 64))
    with torch.inference_mode():
        batch = segmenter.normalise(torch.from_numpy(image).permute(2, 0, 1)[None])
        middle = float(segmenter.network(batch).softmax(1).amax(1).median())
    shares = {}
    for sure in (0.0, middle, 0.99):
        first, second = pseudo_labelled([bare, known], segmenter, sure)
        assert second is known
        assert first.labels is not None
        shares[sure] = float((first.labels != 255).mean())
    assert shares[0.0] == 1
    assert 0.2 < shares[middle] < 0.8
    assert shares[0.99] == 0
    assert pseudo_labelled([bare], segmenter, 1.0)[0].labels is None


def test_the_schedule_is_a_polynomial() -> None:
    assert poly(0.0, 0.9, 0.0) == 1
    assert poly(0.5, 0.9, 0.0) == pytest.approx(0.5**0.9)
    assert poly(1.0, 0.9, 0.0) == 0
    assert poly(0.05, 0.9, 0.1) == pytest.approx(0.5)
    assert poly(0.1, 0.9, 0.1) == 1
    assert poly(0.55, 2.0, 0.1) == pytest.approx(0.25)


def test_grids_take_the_middle_of_each_cell() -> None:
    values = torch.arange(8 * 12).view(1, 8, 12)
    assert torch.equal(on_grid(values, torch.Size((8, 12))), values)
    found = on_grid(values, torch.Size((2, 3)))
    assert found.tolist() == [[[26, 30, 34], [74, 78, 82]]]
