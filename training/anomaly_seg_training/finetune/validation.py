# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures on the way: objects pasted over labelled frames, and IoU on the frames themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.metrics import AnomalyMetrics, ConfusionMatrix
from anomaly_seg_ros.scores import SCORES
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import open_reader
from anomaly_seg_training.data.pasted import paste
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.curves import add_pictures
from anomaly_seg_training.finetune.module import FineTuning
from anomaly_seg_training.finetune.proxies import read_proxies
from anomaly_seg_training.finetune.start import Start, in_classes
from anomaly_seg_training.resizing import resize_image, resize_labels
from anomaly_seg_training.tensors import channels_first

_OBJECTS = 3
_SEED = 7000


@dataclass(frozen=True)
class Scene:
    """One frame at the size of the validation, as it is and with objects.

    Args:
        image: (h, w, 3) uint8 RGB.
        labels: (h, w) uint8, 255 = ignore.
        pasted: The image with objects.
        target: (h, w) uint8: 0 normal, 1 object, 255 ignore.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    pasted: NDArray[np.uint8]
    target: NDArray[np.uint8]


def read_scenes(recipe: FinetuneRecipe, start: Start, data: Path) -> list[Scene]:
    """Make the scenes of a recipe's validation; the same ones each time.

    Raises:
        AnomalySegError: The frames or the objects are missing or wrong.
    """
    readers = [
        open_reader(name, data, options, 'validation')
        for name, options in recipe.validation.items()
    ]
    examples = [e for e in chain(*readers) if e.labels is not None]
    if not examples:
        msg = f"recipe key 'validation': {list(recipe.validation)} give no labelled frame"
        raise LabError(msg)
    objects = read_proxies(recipe.validation_proxies, start.classes, data)
    size = Size.parse(recipe.validation_size)
    count = min(recipe.validation_frames, len(examples))
    scenes = []
    for number in range(count):
        example = examples[number * len(examples) // count]
        rng = np.random.default_rng((_SEED, number))
        chosen = [objects[i] for i in rng.choice(len(objects), _OBJECTS)]
        # Objects stand on Cityscapes' road, so they are pasted before labels are translated.
        image, target = paste(example, chosen, rng)
        labels = in_classes(example, recipe.class_map, start.classes).labels
        scenes.append(_scene(example.image, labels, image, target, size))
    return scenes


def _scene(
    plain: NDArray[np.uint8],
    labels: NDArray[np.uint8] | None,
    pasted: NDArray[np.uint8],
    target: NDArray[np.uint8],
    size: Size,
) -> Scene:
    assert labels is not None
    return Scene(
        resize_image(plain, size),
        resize_labels(labels, size),
        resize_image(pasted, size),
        resize_labels(target, size),
    )


class Validation(Callback):
    """Measure at both ends and every so many epochs; the first device measures for all.

    Args:
        scenes: What is measured on.
        every: Epochs between two measurements.
        scores: Names of scores.
        start: The segmenter before the fine-tuning, without a stream that the recipe adds.
    """

    def __init__(
        self, scenes: Sequence[Scene], every: int, scores: Sequence[str], start: Start
    ) -> None:
        self.scenes = scenes
        self.every = every
        self.scores = tuple(scores)
        self.start = start

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Measure the start."""
        if isinstance(pl_module, FineTuning) and not pl_module.history:
            # Octaves change what a fresh stream says, so the run's own network is not the start.
            self.start.network.to(pl_module.device)
            self._measure(trainer, pl_module, self.start.network)
            self.start.network.cpu()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Measure if it is time to."""
        last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        due = (trainer.current_epoch + 1) % self.every == 0
        if isinstance(pl_module, FineTuning) and (due or last):
            self._measure(trainer, pl_module, pl_module.exported)

    def _measure(self, trainer: lightning.Trainer, module: FineTuning, network: nn.Module) -> None:
        if not trainer.is_global_zero:
            return
        training = module.training
        figures, maps = measure(network, module.start, self.scenes, self.scores)
        module.train(training)
        module.history.append({'step': trainer.global_step, **figures})
        flat = {
            f'{name}/{key}' if isinstance(value, dict) else f'validation/{name}': number
            for name, value in figures.items()
            for key, number in (value.items() if isinstance(value, dict) else ((name, value),))
        }
        if trainer.logger is not None:
            trainer.logger.log_metrics(flat, step=trainer.global_step)
            add_pictures(trainer.logger, self.scenes, maps, trainer.global_step)
        text = ' '.join(f'{name} {value:.4f}' for name, value in flat.items())
        print(f'step {trainer.global_step} {text}', flush=True)


@torch.inference_mode()
def measure(
    network: nn.Module, start: Start, scenes: Sequence[Scene], scores: Sequence[str]
) -> tuple[dict[str, Any], list[NDArray[np.float32]]]:
    """Measure a network.

    Args:
        network: Set to evaluation mode.
        start: What a run began with: its classes and preprocessing are the network's.
        scenes: What is measured on.
        scores: Names of scores.

    Returns:
        `miou` on the frames as they are, and per score `auroc`, `ap` and `fpr95` on the frames
        with objects, pixels pooled; and the maps (h, w) of the first score.
    """
    network.eval()
    matrix = ConfusionMatrix(len(start.classes))
    metrics = {name: AnomalyMetrics() for name in scores}
    maps = []
    for scene in scenes:
        labels = _logits(start, network, scene.image).argmax(1)[0].to(torch.uint8)
        matrix.update(labels.numpy(), scene.labels)
        logits = _logits(start, network, scene.pasted)
        found = {name: SCORES.get(name)(logits)[0].numpy() for name in scores}
        for name, metric in metrics.items():
            metric.update(found[name], scene.target)
        maps.append(found[scores[0]])
    figures: dict[str, Any] = {'miou': round(matrix.compute().miou, 5)}
    for name, metric in metrics.items():
        result = metric.compute()
        figures[name] = {
            key: round(value, 5)
            for key in ('auroc', 'ap', 'fpr95')
            if (value := getattr(result, key)) is not None
        }
    return figures, maps


def _logits(start: Start, network: nn.Module, image: NDArray[np.uint8]) -> torch.Tensor:
    """Return logits (1, C, h, w) at the image's size, on the CPU."""
    batch = channels_first(image)[None].to(next(network.parameters()).device)
    logits = network(start.normalise(batch)).float()
    return functional.interpolate(
        logits, image.shape[:2], mode='bilinear', align_corners=False
    ).cpu()
