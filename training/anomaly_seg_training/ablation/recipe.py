# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is compared: a common schedule and tables of arms, each a few keys that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from anomaly_seg_ros.scores import SCORES
from anomaly_seg_training.alignment import ALIGNERS
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.losses import create_loss
from anomaly_seg_training.proxies import MIXERS
from anomaly_seg_training.recipe_file import Recipe, RecipeError, require

_TABLE = {'title', 'arms'}


@dataclass(frozen=True)
class AblationRecipe(Recipe):
    """Tables of arms over one schedule.

    Args:
        name: Of the results.
        schedule: Keys of `FinetuneRecipe` that all arms share. `epoch_steps` and
            `validation_epochs` say nothing here: every arm is measured once, at its end.
        tables: Name -> ``title`` and ``arms``; an arm's name -> keys of `FinetuneRecipe` that
            replace those of the schedule.
        scores: Names of the scores that are measured.
        size: To which images and ground truth are brought, WIDTHxHEIGHT.

    Raises:
        RecipeError: A key or value of the schedule, of a table or of an arm cannot be used.
    """

    name: str
    schedule: dict[str, Any]
    tables: dict[str, Any]
    scores: list[str]
    size: str = '1024x512'

    def __post_init__(self) -> None:
        """Refuse what cannot be run before anything runs."""
        self.require_sizes('size')
        require(bool(self.scores), 'scores', self.scores, 'a score at least')
        for name in self.scores:
            require(name in SCORES, 'scores', name, f'names of {SCORES.names()}')
        require(bool(self.tables), 'tables', self.tables, 'a table at least')
        for name, table in self.tables.items():
            good = isinstance(table, Mapping) and set(table) == _TABLE
            require(good, f'tables.{name}', table, 'the keys title and arms')
            good = isinstance(table['title'], str)
            require(good, f'tables.{name}.title', table['title'], 'a text')
            arms = table['arms']
            require(isinstance(arms, Mapping) and bool(arms), f'tables.{name}.arms', arms, 'arms')
            for arm, changes in arms.items():
                good = isinstance(changes, Mapping)
                require(good, f'tables.{name}.arms.{arm}', changes, 'keys and values, or {}')
                self.resolve(changes, f'tables.{name}.arms.{arm}')
        self.resolve({}, 'schedule')

    def resolve(self, changes: Mapping[str, Any], where: str) -> FinetuneRecipe:
        """Return the recipe of an arm.

        Args:
            changes: Keys that replace those of the schedule, each as a whole.
            where: The arm, for messages.

        Raises:
            RecipeError: A key or value cannot be used.
        """
        try:
            recipe = FinetuneRecipe.from_dict({'name': self.name, **self.schedule, **changes})
            # Hours later these would say the same.
            create_loss(recipe.loss, recipe.loss_options)
            MIXERS.get(recipe.mixer).config_type.from_dict(recipe.mixer_options)
            ALIGNERS.get(recipe.aligner).config_type.from_dict(recipe.aligner_options)
        except LabError as error:
            msg = f'{where}: {error}'
            raise RecipeError(msg) from error
        return replace(recipe, epoch_steps=recipe.steps, validation_epochs=0)

    def with_steps(self, steps: int) -> AblationRecipe:
        """Return the same comparison with another number of steps."""
        return replace(self, schedule={**self.schedule, 'steps': steps})

    def only(self, names: list[str]) -> AblationRecipe:
        """Return the same comparison with some of its tables.

        Raises:
            RecipeError: There is no table of a name.
        """
        for name in names:
            require(name in self.tables, 'tables', name, f'names of {list(self.tables)}')
        return replace(self, tables={name: self.tables[name] for name in dict.fromkeys(names)})
