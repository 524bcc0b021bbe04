# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both stages of ISSA, one after the other, into one file of weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save_file

from anomaly_seg_ros.files import atomic_path
from anomaly_seg_ros.models import read_state_dict
from anomaly_seg_training.data import Example
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.export import read_run
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.issa.discriminator import Discriminator
from anomaly_seg_training.issa.encoder_training import EncoderTraining
from anomaly_seg_training.issa.frames import FrameCrops
from anomaly_seg_training.issa.generator import Generator
from anomaly_seg_training.issa.generator_training import GeneratorTraining
from anomaly_seg_training.issa.networks import generator_of
from anomaly_seg_training.issa.recipe import IssaRecipe
from anomaly_seg_training.manual import ManualTraining, Pages
from anomaly_seg_training.pictures import fixed_frames
from anomaly_seg_training.recipe_file import require
from anomaly_seg_training.run_settings import WRITTEN, RunSettings
from anomaly_seg_training.timed import refuse_changes
from anomaly_seg_training.training import (
    RUN,
    WEIGHTS,
    Reporter,
    WeightsWriter,
    as_half,
    read_sources,
)

GENERATOR = 'generator.safetensors'
"""Generator and discriminator of stage 1; there as soon as it has ended."""
_SHOWN = 5
_LEAST_HALF = 4096


@dataclass(frozen=True)
class _Stage:
    """A `Schedule`: the recipe's two stages differ in length and batch."""

    steps: int
    epoch_steps: int
    batch: int
    precision: str


def train_issa(recipe: IssaRecipe, run: RunSettings) -> Path:
    """Train generator, then encoder, and write ``weights.safetensors`` into `run.out`.

    Beside it are ``generator/`` and ``encoder/`` with checkpoints and ``run.json``, and
    ``pictures/``.

    Returns:
        The path of the weights.

    Raises:
        LabError: The recipe, the data or the checkpoint to resume cannot be used, more than one
            device is asked for, or a loss is not finite.
    """
    if run.devices not in ('1', 'auto') or run.nodes != 1:
        msg = (
            f'received --devices {run.devices} --nodes {run.nodes}: this recipe trains on one '
            'device, pass --devices 1'
        )
        raise LabError(msg)
    run.check_values()
    run = replace(run, devices='1')
    first, second = stages(recipe, run)
    run.limit_threads()
    sources = read_sources(recipe.frames, recipe.reader_options, run.data)
    require(all(sources.values()), 'frames', list(sources), 'data sets that hold images')
    if not (run.resume and (run.out / GENERATOR).is_file()):
        # What an earlier run has left would be taken for this one's.
        leftovers = [run.out / name for name in (GENERATOR, WEIGHTS)]
        leftovers += [second.out / name for name in WRITTEN]
        _train_generator(recipe, first, sources, run.out, leftovers)
    return _train_encoder(recipe, second, sources, run.out)


def stages(recipe: IssaRecipe, run: RunSettings) -> tuple[RunSettings, RunSettings]:
    """Return the settings of both stages; a stage resumes where it has a checkpoint.

    Raises:
        LabError: There is no checkpoint to resume, or stage 1 has ended with another recipe or
            seed.
    """
    shares = (recipe.generator_share, 1 - recipe.generator_share)
    first, second = (
        replace(
            run, out=run.out / name,
            max_minutes=None if run.max_minutes is None else run.max_minutes * share,
        )
        for name, share in zip(('generator', 'encoder'), shares, strict=True)
    )  # fmt: skip
    if run.resume:
        if (run.out / GENERATOR).is_file():
            _check_ended(recipe, first)
        else:
            first.check()
    return first, replace(second, resume=run.resume and second.checkpoint.is_file())


def _check_ended(recipe: IssaRecipe, run: RunSettings) -> None:
    """Raise a LabError unless the stage that has ended began with this recipe and seed."""
    if (run.out / RUN).is_file():
        about = read_run(run.out)
        before = {**about['recipe'], 'seed': about['seed']}
        refuse_changes(before, {**recipe.as_dict(), 'seed': run.seed})


def _train_generator(
    recipe: IssaRecipe, run: RunSettings, sources: dict[str, list[Example]], out: Path,
    leftovers: list[Path],
) -> None:  # fmt: skip
    lightning.seed_everything(run.seed, verbose=False)
    module = GeneratorTraining(recipe, run.seed, run.max_minutes)
    _fit(module, recipe, run, sources, recipe.batch, 'generator', out, [], leftovers)
    state = {
        f'{name}.{key}': tensor.cpu().contiguous()
        for name, part in (('generator', module.average), ('discriminator', module.discriminator))
        for key, tensor in part.state_dict().items()
    }
    with atomic_path(out / GENERATOR) as temporary:
        save_file(state, temporary)


def _train_encoder(
    recipe: IssaRecipe, run: RunSettings, sources: dict[str, list[Example]], out: Path
) -> Path:
    lightning.seed_everything(run.seed, verbose=False)
    generator, discriminator = _read_generator(recipe, out / GENERATOR)
    crops = FrameCrops(sources, recipe, _SHOWN, run.seed, 0)
    module = EncoderTraining(
        recipe, generator, discriminator, fixed_frames([crops[n] for n in range(_SHOWN)]),
        run.seed, run.max_minutes,
    )  # fmt: skip
    path = out / WEIGHTS
    writer = WeightsWriter(path, lambda: as_half(module.result.state_dict(), _LEAST_HALF))
    _fit(module, recipe, run, sources, recipe.batch // 2, 'encoder', out, [writer], [])
    return path


def _fit(
    module: ManualTraining, recipe: IssaRecipe, run: RunSettings,
    sources: dict[str, list[Example]], batch: int, name: str, out: Path,
    callbacks: list[Callback], leftovers: list[Path],
) -> None:  # fmt: skip
    about = {
        'kind': f'issa {name}',
        'recipe': recipe.as_dict(),
        'seed': run.seed,
        'images': {name: len(items) for name, items in sources.items()},
    }
    schedule = _Stage(module.steps, recipe.epoch_steps, batch, recipe.precision)
    fit(
        module, schedule, run,
        lambda items, epoch: FrameCrops(sources, recipe, items, run.seed, epoch),
        [Pages(out / 'pictures', name, recipe.picture_steps), Reporter(run.out, about),
         *callbacks],
        leftovers,
        # Lightning clips no gradients of optimizers that are stepped by hand.
        gradient_clip_val=None,
    )  # fmt: skip


def _read_generator(recipe: IssaRecipe, path: Path) -> tuple[Generator, Discriminator]:
    parts: dict[str, dict[str, torch.Tensor]] = {'generator': {}, 'discriminator': {}}
    for name, tensor in read_state_dict(path).items():
        part, _, rest = name.partition('.')
        parts.setdefault(part, {})[rest] = tensor
    discriminator = Discriminator(recipe.base, recipe.channels)
    try:
        generator = generator_of(parts['generator'])
        discriminator.load_state_dict(parts['discriminator'])
    except (KeyError, IndexError, RuntimeError) as error:
        msg = f'{path} is of a recipe with other networks: start without --resume'
        raise LabError(msg) from error
    return generator, discriminator
