# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One fine-tuning: start, data, proxies, Lightning, weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from anomaly_seg_ros.models import evidence_stream, unknown_stream
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import Example
from anomaly_seg_training.dataset import Crops, Source
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import EVIDENCE, STREAM, FinetuneRecipe
from anomaly_seg_training.finetune.curves import make_logger
from anomaly_seg_training.finetune.dataset import MixedCrops, pseudo_labelled
from anomaly_seg_training.finetune.module import FineTuning
from anomaly_seg_training.finetune.proxies import Proxies, make_mixer
from anomaly_seg_training.finetune.start import (
    Start,
    in_classes,
    start_from_bundle,
    start_from_checkpoint,
)
from anomaly_seg_training.finetune.stream import with_stream, without_stream
from anomaly_seg_training.finetune.validation import Validation, read_scenes
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.run_settings import RunSettings, is_first_process
from anomaly_seg_training.training import WEIGHTS, Reporter, read_sources

KIND = 'finetune'


@dataclass(frozen=True, kw_only=True)
class FinetuneRun(RunSettings):
    """A run that fine-tunes a segmenter: exactly one of the two starts is given.

    Args:
        start_bundle: A bundle with weights, or ``default``.
        start_checkpoint: A state dict of the recipe's segmenter.
    """

    start_bundle: str | None = None
    start_checkpoint: Path | None = None

    def open_start(self, recipe: FinetuneRecipe) -> Start:
        """Load the segmenter as its owner knows it.

        Raises:
            AnomalySegError: It cannot be used, or none or two are given.
        """
        if self.start_bundle is not None and self.start_checkpoint is None:
            return start_from_bundle(recipe, self.start_bundle)
        if self.start_checkpoint is not None and self.start_bundle is None:
            return start_from_checkpoint(recipe, self.start_checkpoint)
        msg = 'a fine-tuning begins with one segmenter: give --bundle or --checkpoint'
        raise LabError(msg)

    def load_start(self, recipe: FinetuneRecipe) -> Start:
        """Load the segmenter that the run begins with.

        A recipe that trains a second stream begins with one beside the segmenter; one that trains
        another part begins with the segmenter that the stream was put beside.

        Raises:
            AnomalySegError: It cannot be used, or none or two are given.
        """
        start = self.open_start(recipe)
        pooling = {
            'octaves': recipe.stream_octaves,
            'sharpness': recipe.stream_sharpness,
            'mirrored': recipe.stream_mirrored,
        }
        if recipe.trained == STREAM:
            options = {'gain': recipe.stream_gain, **pooling}
            return with_stream(start, unknown_stream.NAME, options)
        if recipe.trained == EVIDENCE:
            return with_stream(start, evidence_stream.NAME, pooling)
        return without_stream(start)


def read_examples(
    recipe: FinetuneRecipe, start: Start, run: FinetuneRun
) -> dict[str, list[Example]]:
    """Read the frames of all data sets that have a share, in the segmenter's classes.

    Frames without labels get the start's predictions, on the device that the run has.

    Raises:
        AnomalySegError: A data set cannot be used, or gives no frame.
    """
    read = read_sources(recipe.shares, recipe.reader_options, run.data)
    bare = [name for name, items in read.items() if not items]
    if bare or not read:
        msg = f'the data sets {bare or list(recipe.shares)} give no image: check their options'
        raise LabError(msg)
    network, device = without_stream(start).network, run.torch_device
    network.to(device)
    examples = {
        name: pseudo_labelled(
            [in_classes(item, recipe.class_map, start.classes) for item in items],
            start,
            recipe.pseudo_labels,
        )
        for name, items in read.items()
    }
    network.to('cpu')
    return examples


def finetune(recipe: FinetuneRecipe, run: FinetuneRun) -> Path:
    """Fine-tune by a recipe and write ``weights.safetensors`` and ``run.json`` into `run.out`.

    Returns:
        The path of the weights.

    Raises:
        AnomalySegError: The recipe, the start, the data or the checkpoint to resume cannot be
            used, or loss or gradient are not finite.
    """
    run.check()
    run.limit_threads()
    lightning.seed_everything(run.seed, verbose=False)
    start = run.load_start(recipe)
    module = FineTuning(recipe, start, run.seed, run.max_minutes)
    mixer = make_mixer(recipe, start.classes, run.data)
    examples = read_examples(recipe, start, run)
    sources = {
        name: Source(items, [None] * len(items), recipe.shares[name])
        for name, items in examples.items()
    }
    callbacks: list[Callback] = []
    if recipe.validation_epochs and is_first_process():
        scenes = read_scenes(recipe, start, run.data)
        callbacks.append(
            Validation(
                scenes, recipe.validation_epochs, recipe.validation_scores, run.open_start(recipe)
            )
        )
    about: dict[str, Any] = {
        'kind': KIND,
        'recipe': recipe.as_dict(),
        'start': start.as_dict(),
        'seed': run.seed,
        'images': {name: len(items) for name, items in examples.items()},
        'proxies': len(mixer.proxies),
        'proxy_categories': Proxies(mixer.proxies).categories,
    }
    callbacks.append(Reporter(run.out, about))

    def draw(items: int, epoch: int) -> MixedCrops:
        crops = Crops(
            sources, Size.parse(recipe.crop), (recipe.scale[0], recipe.scale[1]),
            recipe.rare_share, items, run.seed, epoch, features=0, distorted=recipe.distort,
        )  # fmt: skip
        return MixedCrops(crops, mixer)

    fit(
        module, recipe, run, draw, callbacks,
        gradient_clip_val=recipe.gradient_clip, logger=make_logger(run.out),
    )  # fmt: skip
    return run.out / WEIGHTS
