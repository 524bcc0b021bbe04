# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which runs an ablation takes: arms that are equal are one, arms that cannot run say why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anomaly_seg_ros.files import sha256_file
from anomaly_seg_training.ablation.recipe import AblationRecipe
from anomaly_seg_training.alignment import TRAINED
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import FinetuneRecipe

START = 'start'
"""The arm that every table begins with: the segmenter before any training."""
FORMAT = 1
"""Of what is measured of a run: others are made anew."""
_DIGITS = 16


@dataclass(frozen=True)
class Trial:
    """One arm with one seed; or the start, which is measured only.

    Args:
        key: The same for the same recipe, start, seed and measurement.
        recipe: What is trained.
        seed: None for the start.
        scores: What is measured.
        size: At which it is.
    """

    key: str
    recipe: FinetuneRecipe
    seed: int | None
    scores: tuple[str, ...]
    size: str


@dataclass(frozen=True)
class Arm:
    """A row of a table.

    Args:
        changes: Keys that differ from the schedule.
        trials: Key of the trial of each seed.
        reason: Why it does not run; '' if it does.
    """

    changes: dict[str, Any]
    trials: dict[int, str] = field(default_factory=dict)
    reason: str = ''


@dataclass(frozen=True)
class Plan:
    """All tables, and all trials, each once.

    Args:
        start: The trial of the start.
        tables: Table -> arm -> what it is.
        trials: All others by key, in the order in which they are run: the first seed of every arm
            comes first, so that an early end leaves whole tables.
    """

    start: Trial
    tables: dict[str, dict[str, Arm]]
    trials: dict[str, Trial]


def make_plan(
    recipe: AblationRecipe, sha256: str, seeds: Sequence[int], weights: Mapping[str, Path]
) -> Plan:
    """Resolve all arms.

    Args:
        recipe: What is compared.
        sha256: Of the weights of the start.
        seeds: Of each arm.
        weights: File of each aligner in `alignment.TRAINED`; arms whose aligner has none do not
            run.

    Raises:
        LabError: A file of `weights` is missing, or there is no seed.
    """
    if not seeds or min(seeds) < 0:
        msg = f'received the seeds {list(seeds)}, expected at least one, from 0 on'
        raise LabError(msg)
    hashes = {}
    for name, path in weights.items():
        if not path.is_file():
            msg = f'received --{name} {path}, expected the weights that train {name} wrote'
            raise LabError(msg)
        hashes[str(path)] = sha256_file(path)
    common = [FORMAT, sha256, recipe.scores, recipe.size]
    base = recipe.resolve({}, 'schedule')
    watched = {key: value for key, value in base.as_dict().items() if 'validation' in key}
    start = Trial(
        _key([*common, START, watched]), base, None, tuple(recipe.scores), recipe.size
    )  # fmt: skip
    found: dict[str, Trial] = {}
    tables: dict[str, dict[str, Arm]] = {}
    for seed in seeds:
        for table, content in recipe.tables.items():
            arms = tables.setdefault(table, {})
            for name, changes in content['arms'].items():
                arm = arms.setdefault(name, Arm(dict(changes)))
                resolved = _with_weights(recipe.resolve(changes, name), weights)
                if isinstance(resolved, str):
                    arms[name] = replace(arm, reason=resolved)
                    continue
                key = _key([*common, _published(resolved, hashes), seed])
                arm.trials[seed] = key
                found[key] = Trial(key, resolved, seed, tuple(recipe.scores), recipe.size)
    return Plan(start, tables, found)


def _with_weights(recipe: FinetuneRecipe, weights: Mapping[str, Path]) -> FinetuneRecipe | str:
    """Give an aligner its file; return why that cannot be."""
    name = recipe.aligner
    if name not in TRAINED or recipe.aligner_options.get('weights'):
        return recipe
    if name not in weights:
        return f'--{name} was not given: the aligner {name!r} needs a trained network'
    return replace(
        recipe, aligner_options={**recipe.aligner_options, 'weights': str(weights[name])}
    )


def _published(recipe: FinetuneRecipe, hashes: Mapping[str, str]) -> dict[str, Any]:
    """Return what a run depends on: not its name, and files by what they hold."""
    content = {key: value for key, value in recipe.as_dict().items() if key != 'name'}
    options = content['aligner_options']
    if 'weights' in options:
        path = str(options['weights'])
        digest = hashes[path] if path in hashes else sha256_file(path)
        content['aligner_options'] = {**options, 'weights': digest}
    return content


def _key(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
