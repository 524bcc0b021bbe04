# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norm statistics from whole images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from anomaly_seg_ros.bundle import Preprocessing
from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.data import READERS
from anomaly_seg_training.pretrained import encoder_parts
from anomaly_seg_training.recalibrate import photographs, recalibrate


def test_statistics_are_those_of_the_images(data: Path) -> None:
    torch.manual_seed(0)
    segmenter = create_segmenter(
        'streetnet', num_classes=3, widths=[8, 8, 8, 8], depths=[1, 1, 1, 1], neck=8, head=8
    )
    before = {k: v.clone() for k, v in segmenter.state_dict().items() if 'running' not in k}
    examples = list(READERS.get('cityscapes')(data))
    preprocessing = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    recalibrate(segmenter, examples, preprocessing, Size(128, 64))
    # The first convolution by hand.
    images = [cv2.resize(e.image, (128, 64)).astype(float) / 255 for e in examples]
    values = (np.stack(images) - preprocessing.mean) / preprocessing.std
    tensor = torch.from_numpy(values).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        features = segmenter.stem[0][0](tensor)
    norm = segmenter.stem[0][1]
    torch.testing.assert_close(norm.running_mean, features.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(norm.running_var, features.var((0, 2, 3)), atol=1e-5, rtol=1e-3)
    assert not any(module.training for module in segmenter.modules())
    assert norm.momentum == 0.1
    after = segmenter.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items() if 'tracked' not in k)


def test_parts_that_training_has_not_changed_keep_their_statistics(data: Path) -> None:
    torch.manual_seed(0)
    segmenter = create_segmenter('litenet', num_classes=3, neck=8, head=8)
    before = {k: v.clone() for k, v in segmenter.state_dict().items()}
    examples = list(READERS.get('cityscapes')(data))
    preprocessing = Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    parts = encoder_parts(segmenter)
    assert len(parts) == 15
    recalibrate(segmenter, examples, preprocessing, Size(128, 64), parts)
    after = segmenter.state_dict()
    changed = {k.split('.')[0] for k, v in before.items() if not torch.equal(v, after[k])}
    assert changed >= {'context', 'lateral8', 'fuse4'}
    assert not changed & {'stem', 'blocks'}


def test_photographs_are_spread_and_generated_scenes_left_out(data: Path) -> None:
    recipe = SegmenterRecipe.from_dict({
        'name': 'n', 'segmenter': 'streetnet', 'teacher': 'erfnet', 'norm_images': 2,
        'shares': {'cityscapes': 1.0, 'synthetic': 1.0, 'video': 1.0, 'camvid': 0.0,
                   'coco': 1.0},
        'reader_options': {'video': {'step': 1}},
    })  # fmt: skip
    names = [e.name for e in photographs(recipe, data)]
    assert names == [
        'cityscapes/train/0', 'cityscapes/train/1', 'video/drive/000000', 'video/drive/000003',
    ]  # fmt: skip
