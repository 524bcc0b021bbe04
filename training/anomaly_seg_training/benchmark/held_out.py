# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A benchmark's set with some of its known classes as anomalies: nobody is taught them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.benchmark.sets import ANOMALY, NORMAL, BenchmarkSet, Meaning
from anomaly_seg_training.data.labelled import DataError


def class_names(found: BenchmarkSet) -> tuple[str, ...]:
    """Return the names of what is normal in a set, in the order of its values."""
    meaning = found.meaning
    return tuple(meaning.names[v] for v in sorted(meaning.target) if meaning.target[v] == NORMAL)


def hold_out(found: BenchmarkSet, unknown: Sequence[str]) -> BenchmarkSet:
    """Return the set with classes of these names as anomalies.

    What remains normal is the set's classes, by its own names: a bicyclist of CamVid is one,
    though Cityscapes has no word for it. What was an anomaly before stays one.

    Args:
        found: The set.
        unknown: Names of its normal values; none leaves the classes as they are.

    Raises:
        DataError: A name is unknown, or none would be left.
    """
    names = class_names(found)
    strange = [name for name in unknown if name not in names]
    known = tuple(name for name in names if name not in unknown)
    if strange or not known:
        what = f'{strange[0]!r}' if strange else 'all classes'
        msg = f'{found.name}: received {what} to hold out, expected some of: {", ".join(names)}'
        raise DataError(msg)
    before = found.meaning
    target, labels = {}, {}
    for value, kind in before.target.items():
        name = before.names[value]
        held = kind == NORMAL and name in unknown
        target[value] = ANOMALY if held else kind
        labels[value] = known.index(name) if kind == NORMAL and not held else IGNORE
    meaning = Meaning(target, before.names, known, labels)
    return replace(
        found,
        name='-'.join((found.name, *(['without', *unknown] if unknown else []))),
        items=tuple(replace(item, meaning=meaning) for item in found.items),
        protocol='caos',
        unknowns=bool(unknown) or found.unknowns,
        published=None,
        notes=(*found.notes, f'held out as anomalies: {", ".join(unknown) or "nothing"}'),
    )
