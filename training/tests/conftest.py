# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small data sets in the readers' layouts, made of generated scenes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.tiny_networks import STREETNET

from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip

# A ROS workspace has no lab; skipping here instead would end pytest.
collect_ignore_glob = [] if find_spec('torch') and find_spec('lightning') else ['test_*.py']

CITYSCAPES_TO_CAMVID = {10: 0, 2: 1, 5: 2, 0: 3, 1: 4, 8: 5, 7: 6, 4: 7, 13: 8, 11: 9, 18: 10}
SQUARE = [[20.0, 10.0, 80.0, 10.0, 80.0, 70.0, 20.0, 70.0]]

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def _save(path: Path, image: np.ndarray) -> None:
    """Write an RGB image or a label map."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


@pytest.fixture
def save() -> Callable[[Path, np.ndarray], None]:
    """The function that writes an RGB image or a label map."""
    return _save


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The folder of the project data."""
    folder = REPOSITORY.parent / 'shared' / 'data'
    if not folder.is_dir():
        pytest.skip('the project data is not beside the checkout')
    return folder


@pytest.fixture(scope='session')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three frames of each data set and one short video."""
    root = tmp_path_factory.mktemp('data')
    table = np.full(256, 11, np.uint8)
    table[list(CITYSCAPES_TO_CAMVID)] = list(CITYSCAPES_TO_CAMVID.values())
    config = SceneConfig(size=Size(256, 128), seed=3, frames=6, unknown_objects=0)
    frames = list(StreetClip(config))
    for index, frame in enumerate(frames[:3]):
        for split in ('train', 'val'):
            folder = root / 'cityscapes_mini' / split
            _save(folder / 'images' / f'{index}.png', frame.image)
            _save(folder / 'trainIds' / f'{index}.png', frame.labels)
        for split in ('train', 'val', 'test'):
            folder = root / 'camvid' / split
            _save(folder / 'images' / f'{index}.png', frame.image)
            _save(folder / 'labels' / f'{index}.png', table[frame.labels])
    for index, size in enumerate(((100, 64), (48, 90))):
        image = np.random.default_rng(index).integers(0, 256, (*size[::-1], 3), np.uint8)
        _save(root / 'coco128' / 'images' / 'train2017' / f'{index}.png', image)
    (root / 'video').mkdir()
    writer = cv2.VideoWriter(
        str(root / 'video' / 'drive.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10, (256, 128)
    )
    for frame in frames:
        writer.write(np.ascontiguousarray(frame.image[..., ::-1]))
    writer.release()
    return root


@pytest.fixture
def scenes(data: Path, tmp_path: Path) -> Path:
    """The data sets of `data`, and a photograph of COCO's val with a cow and a car."""
    root = shutil.copytree(data, tmp_path / 'data')
    photograph = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    _save(root / 'coco128' / 'images' / 'val2017' / 'a.png', photograph)
    common = {'image_id': 1, 'area': 3600.0, 'iscrowd': 0}
    content = {
        'images': [{'id': 1, 'file_name': 'a.png'}],
        'annotations': [
            {**common, 'category_id': 21, 'segmentation': SQUARE},
            {**common, 'category_id': 3, 'segmentation': [[0.0, 0, 99, 0, 99, 9, 0, 9]]},
        ],
        'categories': [{'id': 21, 'name': 'cow'}, {'id': 3, 'name': 'car'}],
    }
    (root / 'coco128' / 'annotations').mkdir()
    (root / 'coco128' / 'annotations' / 'instances_val2017.json').write_text(json.dumps(content))
    return root


@pytest.fixture(scope='session')
def streetnet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tiny network whose batch norms have seen something."""
    import torch

    from anomaly_seg_ros.models import create_segmenter

    torch.manual_seed(0)
    network = create_segmenter('streetnet', num_classes=19, **STREETNET).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(2, 3, 64, 64))
    path = tmp_path_factory.mktemp('weights') / 'streetnet.pth'
    torch.save(network.state_dict(), path)
    return path
