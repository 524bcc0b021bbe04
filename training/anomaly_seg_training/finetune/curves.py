# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Curves and pictures of a run for TensorBoard, where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anomaly_seg_training.finetune.validation import Scene

FOLDER = 'curves'
_PICTURES = 2


def make_logger(out: Path) -> TensorBoardLogger | bool:
    """Return a logger that writes to ``curves`` in `out`, False without the package."""
    if find_spec('tensorboard') is None:
        return False
    return TensorBoardLogger(out, name='', version=FOLDER)


def add_pictures(
    logger: Any, scenes: Sequence[Scene], maps: Sequence[NDArray[np.float32]], step: int
) -> None:
    """Write the first scenes with objects, each beside its target and its scores."""
    if isinstance(logger, TensorBoardLogger):
        for number, (scene, values) in enumerate(zip(scenes, maps, strict=True)):
            if number < _PICTURES:
                picture = side_by_side(scene, values)
                logger.experiment.add_image(f'scene {number}', picture, step, dataformats='HWC')


def side_by_side(scene: Scene, values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return picture, target and scores in one (h, 3 w, 3) uint8 RGB image.

    Objects are white and ignored pixels grey in the target; scores go from blue, the scene's 2 %
    quantile, to red, its 99.5 % quantile.
    """
    target = target_picture(scene.target)
    low, high = np.quantile(values, (0.02, 0.995))
    scaled = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1)
    coloured = cv2.applyColorMap((scaled * 255).astype(np.uint8), cv2.COLORMAP_JET)
    scores = cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB)
    return np.concatenate((scene.pasted, target, scores), 1).astype(np.uint8, copy=False)


def target_picture(target: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a target (h, w) as (h, w, 3) RGB: objects white, ignored pixels grey."""
    shades = np.zeros(256, np.uint8)
    shades[1], shades[255] = 255, 96
    return cv2.cvtColor(shades[target], cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
