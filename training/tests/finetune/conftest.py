# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two photographs, and a function that fine-tunes."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_finetuning import RECIPE

# A ROS workspace has no lab.
collect_ignore_glob = [] if find_spec('torch') and find_spec('lightning') else ['test_*.py']

_SQUARE = [[20.0, 10.0, 80.0, 10.0, 80.0, 70.0, 20.0, 70.0]]


@pytest.fixture(scope='session')
def proxies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two photographs of red cows, as a recipe names them."""
    import cv2

    folder = tmp_path_factory.mktemp('coco')
    images, items = [], []
    for number in range(2):
        photograph = np.full((80, 100, 3), (10, 10, 250 - 40 * number), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), photograph)
        images.append({'id': number, 'file_name': f'{number}.png'})
        items.append({
            'image_id': number, 'category_id': 21, 'segmentation': _SQUARE, 'area': 3600.0,
            'iscrowd': 0,
        })  # fmt: skip
    content = {
        'images': images, 'annotations': items,
        'categories': [{'id': 21, 'name': 'cow'}, {'id': 3, 'name': 'car'}],
    }  # fmt: skip
    (folder / 'instances.json').write_text(json.dumps(content))
    return {'annotations': str(folder / 'instances.json'), 'images': str(folder)}


@pytest.fixture(scope='session')
def tune(
    data: Path,
    streetnet_weights: Path,
    proxies: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """Fine-tune without making a bundle; return the folder of the run."""
    from anomaly_seg_training.finetune.config import FinetuneRecipe
    from anomaly_seg_training.finetune.finetuning import FinetuneRun, finetune

    def run(
        out: Path | None = None, *, settings: dict[str, Any] | None = None, **changes: Any
    ) -> Path:
        out = out or tmp_path_factory.mktemp('out')
        content = RECIPE | {'proxies': proxies, 'validation_proxies': proxies} | changes
        recipe = FinetuneRecipe.from_dict(content)
        options = {
            'data': data,
            'start_checkpoint': streetnet_weights,
            'devices': '1',
            'accelerator': 'cpu',
            'threads': 1,
        }
        finetune(recipe, FinetuneRun(out=out, **(options | (settings or {}))))
        return out

    return run


@pytest.fixture(scope='module')
def plain(tune: Callable[..., Path]) -> Path:
    """An unbroken run."""
    return tune()
