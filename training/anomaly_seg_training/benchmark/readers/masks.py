# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masks of anomalies: their usual meaning, another one by ``labels.yaml``, sets made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.benchmark.sets import (
    ANOMALY,
    NORMAL,
    BenchmarkItem,
    BenchmarkSet,
    Meaning,
    version_of,
)
from anomaly_seg_training.data.labelled import DataError

WORDS = {NORMAL: 'normal', ANOMALY: 'anomaly', IGNORE: 'ignored'}
LABELS_FILE = 'labels.yaml'
_KEYS = {'normal': NORMAL, 'anomaly': ANOMALY, 'ignore': IGNORE}


def mask_meaning(target: Mapping[int, int]) -> Meaning:
    """Return the meaning of masks that tell only normal, anomalous and ignored pixels.

    Args:
        target: Value in the file -> 0 normal, 1 anomaly, 255 ignored.
    """
    return Meaning(dict(target), {value: WORDS[meant] for value, meant in target.items()})


ZERO_ONE = mask_meaning({0: NORMAL, 1: ANOMALY, 255: IGNORE})
"""What masks hold nearly everywhere."""


def read_meaning(path: Path) -> Meaning:
    """Read what mask values mean from a YAML file: lists of values under three keys.

    Raises:
        DataError: A key or value cannot be used, or nothing is normal or anomalous.
    """
    try:
        content = yaml.safe_load(path.read_text('utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f'{path} is not valid YAML: {" ".join(str(error).split())}'
        raise DataError(msg) from error
    if not isinstance(content, dict) or not {'normal', 'anomaly'} <= set(content) <= set(_KEYS):
        msg = (
            f'{path} holds {_keys(content)}, expected lists of values under the keys normal, '
            'anomaly and, where there is something to ignore, ignore'
        )
        raise DataError(msg)
    target: dict[int, int] = {}
    for key, values in content.items():
        if not isinstance(values, list) or not values or not all(_is_value(v) for v in values):
            msg = f'{path}: {key} is {values!r}, expected a list of values from 0 to 255'
            raise DataError(msg)
        for value in values:
            if value in target:
                msg = f'{path} names the value {value} twice, expected one meaning for each value'
                raise DataError(msg)
            target[value] = _KEYS[key]
    return mask_meaning(target)


def mask_set(
    name: str,
    root: Path,
    found: list[tuple[str, Path, Path]],
    meaning: Meaning = ZERO_ONE,
    **options: Any,
) -> BenchmarkSet:
    """Make a set of images with label maps.

    Args:
        name: Of the set.
        root: Paths in its version are taken relative to this folder.
        found: (name, image, label map), see ``data.labelled.match``.
        meaning: Of the values in the label maps.
        options: Other fields of `BenchmarkSet`.
    """
    items = tuple(
        BenchmarkItem(f'{name}/{stem}', image, mask, meaning) for stem, image, mask in found
    )
    return BenchmarkSet(name, version_of(root, items), items, **options)


def _is_value(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _keys(content: object) -> str:
    if isinstance(content, dict):
        return f'the keys {", ".join(map(str, content)) or "(none)"}'
    return f'{type(content).__name__} and no keys'
