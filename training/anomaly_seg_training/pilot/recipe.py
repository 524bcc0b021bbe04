# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pilot study: one data set, held-out classes, subsets of the others, arms."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.finetune.config import UNMIXED, FinetuneRecipe
from anomaly_seg_training.mgu.config import MguConfig
from anomaly_seg_training.recipe_file import Recipe, RecipeError, require

START, NONE, MGU = 'start', 'none', 'mgu'
SOURCE = 'benchmark'
_ARM = ('unknown', 'proxies', 'changes')
_MGU = ('per_class', 'min_pixels')


@dataclass(frozen=True)
class Arm:
    """One way to fine-tune.

    Args:
        name: As tables call it.
        unknown: What stands for the unknown: ``start``, nothing, and no fine-tuning; ``none``,
            nothing, fine-tuned on known pixels alone; ``mgu``; or the name of a subset.
        proxies: Whether objects are pasted too.
        changes: Keys of the fine-tuning's recipe.
    """

    name: str
    unknown: str
    proxies: bool = False
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PilotRecipe(Recipe):
    """What is trained and measured, for every seed and arm.

    Args:
        name: Of the study.
        dataset: A name of `benchmark.BENCHMARKS`.
        train: Set to train on.
        test: Set to measure on.
        path: Folder of the data set below that of all data sets; its name where that is empty.
        hold_out: Classes that nobody is taught and that are anomalies in the test. Empty where the
            test set has anomalies of its own.
        subsets: Name -> known classes that together stand for the unknown, each in turn.
        view: Size at which the networks see the images, WIDTHxHEIGHT in multiples of 32.
        segmenter: Keys of `SegmenterRecipe` for the start, without name, data and classes.
        finetune: Keys of `FinetuneRecipe` for all arms, without name, start and data.
        mgu: Keys of `MguConfig`, ``per_class`` and ``min_pixels``.
        mgu_share: Share of generated images among the crops of arms with MGU.
        mgu_unknown: ``region`` or ``flipped``, see the reader ``mgu``.
        arms: Name -> `unknown`, `proxies` and `changes`, see `Arm`.
        steps: Train and generate from every so many images, and measure on as many.
        thresholds: At how many thresholds both accuracies are told.
    """

    name: str
    dataset: str
    train: str
    test: str
    subsets: dict[str, Any]
    segmenter: dict[str, Any]
    finetune: dict[str, Any]
    arms: dict[str, Any]
    path: str = ''
    hold_out: list[str] = field(default_factory=list)
    view: str = '480x352'
    mgu: dict[str, Any] = field(default_factory=dict)
    mgu_share: float = 0.5
    mgu_unknown: str = 'region'
    steps: list[int] = field(default_factory=lambda: [1, 1])
    thresholds: int = 19

    def __post_init__(self) -> None:
        """Refuse values out of range, before hours of training.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.require_sizes('view')
        self.require_share('mgu_share')
        self.require_at_least(1, 'thresholds')
        good = len(self.steps) == 2 and all(isinstance(n, int) and n > 0 for n in self.steps)
        require(good, 'steps', self.steps, 'two numbers from 1 on: of training and test')
        for name, classes in self.subsets.items():
            good = isinstance(classes, list) and all(isinstance(c, str) for c in classes)
            require(good and bool(classes), 'subsets', {name: classes}, 'lists of class names')
            held = sorted(set(classes) & set(self.hold_out))
            require(not held, 'subsets', {name: held}, 'classes that are not held out')
            require(
                name not in (START, NONE, MGU), 'subsets', name, f'not {START}, {NONE} or {MGU}'
            )
        self.generation()
        self.start_recipe(['a', 'b'])
        for arm in self.all_arms():
            if arm.unknown != START:
                self.finetuning(arm, '.')

    def all_arms(self) -> list[Arm]:
        """Return the arms in their order.

        Raises:
            RecipeError: One has an unknown key or value.
        """
        found = []
        for name, content in self.arms.items():
            known = (START, NONE, MGU, *self.subsets)
            good = isinstance(content, dict) and set(content) <= set(_ARM)
            require(good, 'arms', {name: content}, f'some of the keys {", ".join(_ARM)}')
            # Its folder stands beside that of the generated images.
            good = name != MGU and '/' not in name and not name.startswith('.')
            require(good, 'arms', name, f'a name without slashes that is not {MGU}')
            arm = Arm(name, **{'unknown': NONE, **content})
            require(arm.unknown in known, 'arms', {name: arm.unknown}, f'one of {list(known)}')
            require(isinstance(arm.changes, dict), 'arms', {name: arm.changes}, 'keys, values')
            found.append(arm)
        require(bool(found), 'arms', self.arms, 'an arm at least')
        return found

    def reader(self, step: int, unknown: list[str] | None = None) -> dict[str, Any]:
        """Return the options of the reader of training frames."""
        return {
            'dataset': self.dataset, 'path': self.path, 'split': self.train,
            'hold_out': self.hold_out, 'unknown': unknown or [], 'view': self.view, 'step': step,
        }  # fmt: skip

    def start_recipe(self, classes: list[str]) -> SegmenterRecipe:
        """Return how the start is trained.

        Raises:
            RecipeError: A key or value cannot be used.
        """
        return SegmenterRecipe.from_dict({
            'teacher_weight': 0.0, 'feature_weight': 0.0, **self.segmenter,
            'name': self.name, 'classes': classes, 'shares': {SOURCE: 1.0},
            'reader_options': {SOURCE: self.reader(self.steps[0])}, 'input_size': self.view,
        })  # fmt: skip

    def finetuning(self, arm: Arm, generated: str) -> FinetuneRecipe:
        """Return how an arm is fine-tuned.

        Args:
            arm: Any but ``start``.
            generated: Folder of what MGU has made for this seed.

        Raises:
            RecipeError: A key or value cannot be used.
        """
        shares, options = {SOURCE: 1.0}, {SOURCE: self.reader(self.steps[0])}
        if arm.unknown in self.subsets:
            options[SOURCE] = self.reader(self.steps[0], self.subsets[arm.unknown])
        elif arm.unknown == MGU:
            shares = {SOURCE: 1 - self.mgu_share, MGU: self.mgu_share}
            options[MGU] = {'path': generated, 'unknown': self.mgu_unknown}
        content = {**self.finetune, **arm.changes}
        if not arm.proxies:
            content['mixer'] = UNMIXED
        if arm.unknown == NONE and not arm.proxies:
            content['ood_weight'] = 0.0
        return FinetuneRecipe.from_dict({
            **content, 'name': f'{self.name} {arm.name}', 'shares': shares,
            'reader_options': options, 'validation_epochs': 0, 'input_size': self.view,
        })  # fmt: skip

    def generation(self) -> tuple[MguConfig, dict[str, int]]:
        """Return how MGU moves pixels, and ``per_class`` and ``min_pixels`` where they are given.

        Raises:
            RecipeError: A key or value cannot be used.
        """
        known = {entry.name for entry in fields(MguConfig)}
        strange = [key for key in self.mgu if key not in known | set(_MGU)]
        if strange:
            msg = f"recipe key 'mgu': {strange[0]!r} is none of {sorted(known | set(_MGU))}"
            raise RecipeError(msg)
        config = MguConfig.from_dict({k: v for k, v in self.mgu.items() if k in known})
        counts = {key: value for key, value in self.mgu.items() if key in _MGU}
        for key, value in counts.items():
            good = isinstance(value, int) and value > 0
            require(good, 'mgu', {key: value}, 'a number from 1 on')
        return config, counts
