# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crops with proxies: what is changed, what is known, what is held."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import Example
from anomaly_seg_training.dataset import Crops, Source
from anomaly_seg_training.finetune.dataset import PSEUDO, MixedCrops
from anomaly_seg_training.proxies import Mixer, Proxy, create_mixer

COUNT = 12


def _example(name: str, *, bare: bool = False) -> Example:
    rng = np.random.default_rng(len(name))
    image = rng.integers(0, 256, (96, 128, 3), np.uint8)
    labels = np.zeros((96, 128), np.uint8)
    labels[:, 64:] = 13
    labels[::7] = 255
    return Example(name, image, None if bare else labels, Size(128, 96))


def _proxy() -> Proxy:
    mask = np.zeros((40, 40), np.uint8)
    mask[4:-4, 4:-4] = 1
    # No pixel of the frames is of this colour.
    return Proxy(np.full((40, 40, 3), (255, 0, 255), np.uint8), mask, 'p')


def _crops(
    mixer: str = 'anomaly_mix',
    probability: float = 1.0,
    *,
    distorted: bool = False,
    epoch: int = 0,
) -> MixedCrops:
    examples = [_example('labelled'), _example('bare', bare=True), _example('told' + PSEUDO)]
    source = Source(examples, [None] * 3, 1.0)
    crops = Crops(
        {'a': source}, Size(64, 64), (0.8, 1.2), 0.0, COUNT, 5, epoch, 0, distorted=distorted
    )
    made: Mixer = create_mixer(mixer, [_proxy()], {'probability': probability})
    return MixedCrops(crops, made)


@pytest.mark.parametrize('mixer', ['anomaly_mix', 'coco_dag', 'maxent'])
@pytest.mark.parametrize('distorted', [False, True])
def test_what_is_unknown_is_neither_known_nor_held(mixer: str, *, distorted: bool) -> None:
    crops = _crops(mixer, distorted=distorted)
    for index in range(COUNT):
        item, cut = crops[index], crops.crops.cut(index)
        assert item['ood'].any()
        assert (item['labels'][item['ood']] == 255).all()
        assert not (item['held'] & item['ood']).any()
        assert torch.equal(item['clean'], torch.from_numpy(cut.plain).permute(2, 0, 1))
        changed = (item['image'] != torch.from_numpy(cut.image).permute(2, 0, 1)).any(0)
        assert not (item['held'] & changed).any()
        # All else of a frame without labels is held, and what is labelled of the others.
        labelled = item['labels'] != 255
        bare = cut.example.name != 'labelled'
        expected = ~changed & ~item['ood'] & (labelled | bare)
        assert torch.equal(item['held'], expected)
        before = torch.from_numpy(cut.labels).long()
        assert torch.equal(item['labels'][labelled], before[labelled])


def test_without_proxies_nothing_changes() -> None:
    crops = _crops(probability=0.0)
    for index in range(COUNT):
        item = crops[index]
        assert torch.equal(item['image'], item['clean'])
        assert not item['ood'].any()


def test_items_depend_on_seed_epoch_and_index_alone() -> None:
    first, second, third = _crops(), _crops(), _crops(epoch=1)
    _ = second[3]
    for index in (0, 7):
        one, other, later = first[index], second[index], third[index]
        assert all(torch.equal(one[key], other[key]) for key in one)
        assert not torch.equal(one['image'], later['image'])
