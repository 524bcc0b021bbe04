# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One training run: data, teacher, Lightning, weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save_file
from tqdm import tqdm

from anomaly_seg_ros.files import atomic_path, sha256_file, write_json
from anomaly_seg_ros.models import create_segmenter, load_weights
from anomaly_seg_ros.size import Size
from anomaly_seg_training.class_names import class_set, named
from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.data import Example, open_reader
from anomaly_seg_training.dataset import Crops, Source
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.losses import class_weights
from anomaly_seg_training.module import Distillation
from anomaly_seg_training.pretrained import load_encoder
from anomaly_seg_training.run_settings import RUN, WEIGHTS, RunSettings
from anomaly_seg_training.teacher import Lesson, Teacher
from anomaly_seg_training.timed import TimedModule

__all__ = [
    'RUN', 'WEIGHTS', 'Reporter', 'Run', 'WeightsWriter', 'about_weights', 'as_half',
    'feature_statistics', 'pixels_per_class', 'read_sources', 'save_weights', 'taught', 'train',
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Run(RunSettings):
    """A run that distils a segmenter.

    Args:
        teacher: The teacher's checkpoint; None where the recipe has no teacher.
        start: Weights of an earlier run to start from, with a new schedule; None for those that
            the recipe names.
    """

    teacher: Path | None = None
    start: Path | None = None


class WeightsWriter(Callback):
    """Write what a run has made after each epoch, whole or not at all.

    Args:
        path: The file.
        tensors: Returns what it shall hold.
    """

    def __init__(self, path: Path, tensors: Callable[[], Mapping[str, torch.Tensor]]) -> None:
        self.path = path
        self.tensors = tensors

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write the file."""
        del trainer, pl_module
        with atomic_path(self.path) as temporary:
            save_file({n: t.cpu().contiguous() for n, t in self.tensors().items()}, temporary)


class Reporter(Callback):
    """After each epoch: the weights, what the run was so far, and a line for logs.

    Args:
        folder: Where the files are written.
        about: What the run's file says beside steps, time and devices.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder = folder
        self.about = dict(about)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write the files, so that a run that is cut short can be exported too."""
        if not isinstance(pl_module, TimedModule) or not trainer.is_global_zero:
            return
        save_weights(pl_module, self.folder / WEIGHTS)
        steps_per_second = trainer.global_step / max(pl_module.seconds, 1e-9)
        content: dict[str, Any] = {
            **self.about,
            'steps': trainer.global_step,
            'minutes': round(pl_module.seconds / 60, 1),
            'devices': trainer.num_devices,
            'steps_per_second': round(steps_per_second, 3),
            'images_per_second': round(steps_per_second * pl_module.step_images, 3),
            'waited_for_data': round(pl_module.waited / max(pl_module.seconds, 1e-9), 4),
            'torch': torch.__version__,
        }
        if pl_module.history:
            content['validation'] = pl_module.history
        write_json(self.folder / RUN, content)
        figures = {key: float(value) for key, value in trainer.callback_metrics.items()}
        parts = ' '.join(f'{key} {value:.4g}' for key, value in figures.items())
        print(
            f'step {trainer.global_step} progress {pl_module.progress:.3f} '
            f'minutes {pl_module.seconds / 60:.1f} {parts}',
            flush=True,
        )


def about_weights(path: Path) -> dict[str, Any]:
    """Return the hash of weights to start from, and what the run beside them says of itself."""
    about: dict[str, Any] = {'sha256': sha256_file(path)}
    run = path.parent / RUN
    if run.is_file():
        content = json.loads(run.read_text('utf-8'))
        about['run'] = {key: value for key, value in content.items() if key != 'recipe'}
    return about


def save_weights(module: TimedModule, path: Path) -> None:
    """Write the exported weights, floats rounded to float16, as safetensors."""
    with atomic_path(path) as temporary:
        save_file(as_half(module.exported.state_dict()), temporary)


def as_half(state: Mapping[str, torch.Tensor], least: int = 0) -> dict[str, torch.Tensor]:
    """Round floats to float16, within its range, and leave integers as they are.

    Args:
        state: Tensors by name.
        least: Tensors with fewer values stay as they are: what norms hold weighs nothing, and
            rounding it moves whole channels.
    """
    largest = torch.finfo(torch.float16).max
    return {
        name: (
            tensor.clamp(-largest, largest).half()
            if tensor.is_floating_point() and tensor.numel() >= least
            else tensor
        )
        .cpu()
        .contiguous()
        for name, tensor in state.items()
    }


def read_sources(
    shares: Mapping[str, float], reader_options: Mapping[str, dict[str, Any]], data: Path
) -> dict[str, list[Example]]:
    """Read all data sets that have a share into memory.

    Args:
        shares: Data set -> share of the crops.
        reader_options: Data set -> options of its reader.
        data: Folder of the data sets.

    Raises:
        DataError: A data set is missing or holds unknown labels.
    """
    result: dict[str, list[Example]] = {}
    for name, share in shares.items():
        if share > 0:
            options = reader_options.get(name, {})
            examples = open_reader(name, data, options, 'reader_options')
            result[name] = list(tqdm(examples, desc=name, unit='image', disable=None))
    return result


def taught(
    examples: Sequence[Example], lessons: Sequence[Lesson | None], share: float
) -> Source | None:
    """Return a source without the images that have neither labels nor a lesson; None if empty."""
    kept = [
        (example, lesson)
        for example, lesson in zip(examples, lessons, strict=True)
        if example.labels is not None or lesson is not None
    ]
    if not kept:
        return None
    return Source([e for e, _ in kept], [lesson for _, lesson in kept], share)


def pixels_per_class(sources: Sequence[Source], classes: int) -> torch.Tensor:
    """Count pixels per class as the crops will show them: data sets by their shares."""
    total = np.zeros(classes)
    for source in sources:
        counts = np.zeros(256)
        for labels in source.hard_labels():
            counts += np.bincount(labels.ravel(), minlength=256)
        total += source.share * counts[:classes] / max(counts[:classes].sum(), 1)
    return torch.from_numpy(total)


def feature_statistics(lessons: Sequence[Lesson]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation of each of the teacher's features over at most 100 images."""
    sample = [x.features.float().flatten(1) for x in lessons[:: max(1, len(lessons) // 100)]]
    if not sample:
        return torch.zeros(0), torch.ones(0)
    values = torch.cat(sample, 1)
    return values.mean(1), values.std(1).clamp(min=1e-3)


def train(recipe: SegmenterRecipe, run: Run) -> Path:
    """Train by a recipe and write ``weights.safetensors`` and ``run.json`` into `run.out`.

    Returns:
        The path of the weights.

    Raises:
        LabError: The recipe, the data or the checkpoint to resume cannot be used.
        ModelError: The teacher's checkpoint or the weights to start from do not fit.
    """
    run.check()
    if bool(recipe.teacher) != (run.teacher is not None):
        what = 'no --teacher' if recipe.teacher else '--teacher'
        msg = f'received {what} for a recipe whose teacher is {recipe.teacher!r}: both or none'
        raise LabError(msg)
    run.limit_threads()
    lightning.seed_everything(run.seed, verbose=False)
    known = class_set(recipe.classes)
    classes = len(known)
    examples = {
        name: [named(item, known) for item in items]
        for name, items in read_sources(recipe.shares, recipe.reader_options, run.data).items()
    }
    teacher = None
    if run.teacher is not None:
        teacher = Teacher(
            recipe.teacher, run.teacher, recipe.teacher_classes, classes, run.out / 'teacher'
        )
    sources = {}
    for name, items in examples.items():
        lessons: list[Lesson | None] = [None] * len(items)
        if teacher is not None:
            lessons = teacher.lessons(items)
        source = taught(items, lessons, recipe.shares[name])
        if source is not None:
            sources[name] = source
    if not sources:
        msg = f'the data sets {list(recipe.shares)} give nothing to learn: check their options'
        raise LabError(msg)
    del teacher
    statistics = feature_statistics([x for s in sources.values() for x in s.lessons if x])
    channels = len(statistics[0])
    student = create_segmenter(recipe.segmenter, num_classes=classes, **recipe.options)
    if recipe.encoder:
        load_encoder(student, recipe.encoder)
    if run.start is not None:
        load_weights(student, run.start)
    counts = pixels_per_class(list(sources.values()), classes)
    module = Distillation(
        recipe, student, class_weights(counts), statistics, run.seed, run.max_minutes
    )
    about: dict[str, Any] = {
        'recipe': recipe.as_dict(),
        'seed': run.seed,
        'images': {name: len(items) for name, items in examples.items()},
    }
    if run.start is not None:
        about['start'] = about_weights(run.start)

    def draw(items: int, epoch: int) -> Crops:
        return Crops(
            sources, Size.parse(recipe.crop), (recipe.scale[0], recipe.scale[1]),
            recipe.rare_share, items, run.seed, epoch, channels, recipe.style_source,
            recipe.style_share,
        )  # fmt: skip

    fit(
        module, recipe, run, draw, [Reporter(run.out, about)],
        sync_batchnorm=run.devices not in ('1', 'auto'),
    )  # fmt: skip
    return run.out / WEIGHTS
