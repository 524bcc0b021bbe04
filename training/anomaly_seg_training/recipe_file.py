# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes as files: YAML to a frozen dataclass, with every key and type checked."""

from __future__ import annotations

import dataclasses
import typing
from collections import ChainMap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from anomaly_seg_ros.size import Size, SizeError
from anomaly_seg_training.errors import LabError

SIZE_STEP = 32
"""Sizes of networks' inputs are multiples of this."""
EXTENDS = 'extends'
"""Key of the recipe whose keys and values a file takes where it has none."""

R = TypeVar('R', bound='Recipe')


class RecipeError(LabError):
    """A recipe file is missing, holds an unknown key or a value that cannot be used."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What all recipes share: where they come from and how they go back."""

    @classmethod
    def load(cls: type[R], path: Path | str) -> R:
        """Read a recipe from a YAML file, as `read_recipe` does.

        Raises:
            RecipeError: A file cannot be read, or a key or value cannot be used.
        """
        return cls.from_dict(read_recipe(Path(path)))

    @classmethod
    def from_dict(cls: type[R], content: Mapping[str, Any]) -> R:
        """Check names and types of keys and values, then build the recipe.

        Raises:
            RecipeError: A key is unknown or missing, or a value has another type.
        """
        fields = {f.name: f for f in dataclasses.fields(cls)}
        hints = typing.get_type_hints(cls)
        for key in content:
            if key not in fields:
                msg = f'unknown recipe key {key!r}; expected some of: {", ".join(fields)}'
                raise RecipeError(msg)
        for key, entry in fields.items():
            bare = (
                entry.default is dataclasses.MISSING
                and entry.default_factory is dataclasses.MISSING
            )
            if bare and key not in content:
                msg = f'the recipe has no key {key!r}: add it'
                raise RecipeError(msg)
        return cls(**{key: _typed(key, value, hints[key]) for key, value in content.items()})

    def as_dict(self) -> dict[str, Any]:
        """Return all keys and values, for YAML and the bundle's card."""
        return dataclasses.asdict(self)

    def require_shares(
        self, shares: Mapping[str, float], options: Iterable[str], known: Iterable[str]
    ) -> None:
        """Refuse data sets that do not exist and shares that say nothing.

        Raises:
            RecipeError: One of `shares` or `options` is not `known`, or all shares are 0.
        """
        names = list(known)
        for key in (*shares, *options):
            require(key in names, 'shares', key, f'names of {names}')
        values = list(shares.values())
        require(
            bool(values) and min(values) >= 0 and sum(values) > 0,
            'shares', dict(shares), 'shares of at least 0 that are not all 0',
        )  # fmt: skip

    def require_at_least(self, least: float, *keys: str) -> None:
        """Refuse values below `least`.

        Raises:
            RecipeError: One of the keys' values is lower.
        """
        for key in keys:
            require(getattr(self, key) >= least, key, getattr(self, key), f'at least {least}')

    def require_positive(self, *keys: str) -> None:
        """Refuse values that are 0 or less.

        Raises:
            RecipeError: One of the keys' values is.
        """
        for key in keys:
            require(getattr(self, key) > 0, key, getattr(self, key), 'more than 0')

    def require_share(self, *keys: str) -> None:
        """Refuse values outside of 0 to 1.

        Raises:
            RecipeError: One of the keys' values is.
        """
        for key in keys:
            require(0 <= getattr(self, key) <= 1, key, getattr(self, key), '0 to 1')

    def require_sizes(self, *keys: str, step: int = SIZE_STEP) -> None:
        """Refuse values that are no size of a network's input.

        Raises:
            RecipeError: One of the keys' values is not WIDTHxHEIGHT in multiples of `step`.
        """
        for key in keys:
            try:
                size = Size.parse(getattr(self, key))
            except SizeError as error:
                msg = f'recipe key {key!r}: {error}'
                raise RecipeError(msg) from error
            require(
                size.width % step == 0 and size.height % step == 0,
                key, size, f'multiples of {step}',
            )  # fmt: skip

    def require_scales(self, key: str) -> None:
        """Refuse a value that is no range of scales.

        Raises:
            RecipeError: It is not two positive numbers in ascending order.
        """
        value = getattr(self, key)
        require(
            len(value) == 2 and 0 < value[0] <= value[1],
            key, value, 'two positive numbers, the lower first',
        )  # fmt: skip


def read_recipe(path: Path) -> dict[str, Any]:
    """Read keys and values of a file, and of those that it extends.

    A recipe that differs from another in a few keys holds ``extends: FILE``, a name in the same
    folder, and those keys; each replaces the other's as a whole.

    Raises:
        RecipeError: A file cannot be read or holds something else, or extends itself or a file of
            another folder.
    """
    contents = [read_yaml(path)]
    seen = [path.name]
    while (name := contents[-1].pop(EXTENDS, None)) is not None:
        plain = isinstance(name, str) and name not in {'', '..'} and Path(name).name == name
        require(plain, EXTENDS, name, "the name of a file in the recipe's folder")
        require(name not in seen, EXTENDS, name, f'a file that does not extend {path.name}')
        seen.append(name)
        contents.append(read_yaml(path.with_name(name)))
    return dict(ChainMap(*contents))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of keys and values.

    Raises:
        RecipeError: It cannot be read or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text('utf-8'))
    except OSError as error:
        msg = f'cannot read the recipe {path}: {error.strerror or error}'
        raise RecipeError(msg) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = ' '.join(str(error).split())
        msg = f'the recipe {path} is not valid YAML: {reason}'
        raise RecipeError(msg) from error
    if not isinstance(content, dict):
        msg = f'the recipe {path} holds {type(content).__name__}, expected keys and values'
        raise RecipeError(msg)
    return content


def require(good: bool, key: str, value: Any, expected: str) -> None:
    """Raise a `RecipeError` that says what was received, unless the value is good."""
    if not good:
        shown = str(value) if isinstance(value, Size) else repr(value)
        msg = f'recipe key {key!r}: received {shown}, expected {expected}'
        raise RecipeError(msg)


def _typed(key: str, value: Any, hint: Any) -> Any:
    wanted = typing.get_origin(hint) or hint
    if wanted is float and type(value) is int:
        value = float(value)
    # bool is an int in Python, but true is no number of steps.
    if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
        msg = (
            f'recipe key {key!r}: received {value!r} ({type(value).__name__}), '
            f'expected {wanted.__name__}'
        )
        raise RecipeError(msg)
    return value
