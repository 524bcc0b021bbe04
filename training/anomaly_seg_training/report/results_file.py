# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading what ``anomaly-seg-lab evaluate`` has written: only known keys, every value checked.

A results file may come from anybody, so nothing of it reaches the page that has not its type.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from anomaly_seg_training.errors import LabError

_Check = Callable[[Any, str], Any]
_MOST_BYTES = 1 << 28


def read_results(path: Path) -> dict[str, Any]:
    """Read a results file.

    Args:
        path: What ``evaluate --json`` has written.

    Returns:
        Its content with the keys that a report uses; optional ones that it lacks are None.

    Raises:
        LabError: It cannot be read, or is no results file; the message says what is wrong where.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            msg = f'{path} has more than {_MOST_BYTES >> 20} MiB: it is no results file'
            raise LabError(msg)
        content = json.loads(path.read_text('utf-8'), parse_constant=_no_constant)
    except OSError as error:
        msg = f'cannot read {path}: {error.strerror or error}'
        raise LabError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f'{path} is not JSON ({error}): give a file that `evaluate --json` wrote'
        raise LabError(msg) from error
    try:
        return dict(_RESULTS(content, ''))
    except _UnfitError as error:
        msg = f'{path} is no results file of `anomaly-seg-lab evaluate`: {error}'
        raise LabError(msg) from None


class _UnfitError(Exception):
    """A value is not what belongs there."""


def _no_constant(name: str) -> NoReturn:
    msg = f'it holds {name}'
    raise ValueError(msg)


def _unfit(value: Any, where: str, expected: str) -> _UnfitError:
    return _UnfitError(f'{where or "it"} is {value!r:.40}, expected {expected}')


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _unfit(value, where, 'a text')
    return value


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _unfit(value, where, 'true or false')
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _unfit(value, where, 'a number')
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _unfit(value, where, 'a finite number')
    return number


def _share(value: Any, where: str) -> float:
    number = _number(value, where)
    if not 0 <= number <= 1:
        raise _unfit(value, where, 'a fraction from 0 to 1')
    return number


def _count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise _unfit(value, where, 'a whole number')
    return value


def _or_null(check: _Check) -> _Check:
    return lambda value, where: None if value is None else check(value, where)


def _list(check: _Check) -> _Check:
    def read(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise _unfit(value, where, 'a list')
        return [check(item, f'{where}[{index}]') for index, item in enumerate(value)]

    return read


def _table(check: _Check) -> _Check:
    """Return the check of an object whose keys are free."""

    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _unfit(value, where, 'an object')
        return {str(key): check(item, f'{where}.{key}') for key, item in value.items()}

    return read


def _object(needed: Mapping[str, _Check], optional: Mapping[str, _Check] | None = None) -> _Check:
    """Return the check of an object with these keys; it drops all others."""

    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _unfit(value, where, 'an object')
        found = {}
        for key, check in needed.items():
            if key not in value:
                raise _UnfitError(f'{where or "it"} has no {key!r}')  # noqa: EM102
            found[key] = check(value[key], f'{where}.{key}' if where else key)
        for key, check in (optional or {}).items():
            found[key] = _or_null(check)(value.get(key), f'{where}.{key}' if where else key)
        return found

    return read


def _curve(value: Any, where: str) -> dict[str, Any]:
    found = _object(
        {'x': _list(_share), 'y': _list(_share), 'thresholds': _list(_or_null(_number))}
    )(value, where)
    lengths = {len(found[key]) for key in ('x', 'y', 'thresholds')}
    if len(lengths) != 1 or min(lengths) < 2:
        raise _unfit(sorted(lengths), where, 'lists of one length')
    if any(a > b for a, b in zip(found['x'], found['x'][1:], strict=False)):
        raise _unfit(found['x'], f'{where}.x', 'ascending numbers')
    return dict(found)


_FIGURES = {
    'auroc': _or_null(_share),
    'ap': _or_null(_share),
    'fpr95': _or_null(_share),
    'images': _count,
    'pixels': _count,
    'anomalous_pixels': _count,
}
_MORE_FIGURES = {
    'best_f1': _share,
    'best_f1_threshold': _number,
    'fpr95_first': _share,
    'fpr95_nearest': _share,
    'fpr95_caos': _share,
    'fpr95_interpolated': _share,
}
_ORIGIN: dict[str, _Check] = {
    'bundle': _text,
    'set': _text,
    'set_version': _text,
    'protocol': _text,
    'size': _text,
    'network_size': _text,
    'model_hash': _text,
}
_COMPONENTS = _object(
    {
        'threshold': _number,
        'siou': _or_null(_share),
        'ppv': _or_null(_share),
        'f1_star': _or_null(_share),
        'target_components': _count,
        'predicted_components': _count,
    }
)
_ROW = _object(
    {**_ORIGIN, **_FIGURES, 'score': _text, 'refinement': _text, 'output': _text},
    {
        **_MORE_FIGURES,
        'components': _COMPONENTS,
        'curves': _object({'roc': _curve, 'pr': _curve}),
        'per_image': _list(_object({'image': _text, **_FIGURES}, _MORE_FIGURES)),
    },
)
_SEGMENTATION = _object(
    {
        **_ORIGIN,
        'images': _count,
        'miou': _or_null(_share),
        'accuracy': _or_null(_share),
        'iou': _table(_or_null(_share)),
    },
    {'ece': _share, 'false_positive_rate': _table(_or_null(_share))},
)
_PROTOCOL = _object(
    {'name': _text, 'pooled': _truth, 'fpr_rule': _text, 'ignored': _text, 'source': _text}
)
_SET = _object(
    {'set': _text, 'version': _text, 'images': _count},
    {'published_images': _count, 'notes': _list(_text), 'doubts': _list(_text)},
)
_MODEL = _object(
    {'bundle': _text, 'hash': _text, 'engine': _text, 'device': _text, 'network_size': _text},
    {
        'flip': _truth,
        'zooms': _list(_number),
        'fusion': _object({'name': _text, 'sha256': _text}),
        'files': _table(_text),
    },
)
_PROVENANCE = _object(
    {},
    {
        'date': _text,
        'seed': _count,
        'git': _object({}, {'commit': _text, 'dirty': _truth}),
        'versions': _table(_or_null(_text)),
    },
)
_RESULTS = _object(
    {
        'results': _list(_ROW),
        'sets': _list(_SET),
        'models': _list(_MODEL),
        'protocols': _table(_PROTOCOL),
    },
    {
        'segmentation': _list(_SEGMENTATION),
        'size': _text,
        'seconds': _object({}, {'network': _number, 'this_run': _number}),
        'images': _object({}, {'resumed': _count, 'computed': _count}),
        'dataset': _text,
        'command': _text,
        'provenance': _PROVENANCE,
    },
)
