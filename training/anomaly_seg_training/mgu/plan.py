# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is made of which frame: the pixels of its classes, an order, what is missing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.errors import MguError
from anomaly_seg_training.mgu.generation import Generation
from anomaly_seg_training.mgu.shards import FORMAT, save_json, shards

PLAN = 'plan.json'


def find_areas(start: Start, generation: Generation, out: Path) -> dict[str, dict[int, int]]:
    """Return the pixels per class of each frame, read once and kept.

    Raises:
        AnomalySegError: The data cannot be used, a class that is wanted does not occur, or what
            is in `out` was begun with other settings.
    """
    settings = generation.settings(start)
    path = out / PLAN
    if path.is_file():
        try:
            content = json.loads(path.read_text('utf-8'))
            before, areas = content['settings'], content['areas']
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f'{path} is no plan of a generation ({error}): take another --out'
            raise MguError(msg) from error
        changed = [key for key in settings if before.get(key) != settings[key]]
        if changed:
            msg = (
                f'{out} was begun with another {", ".join(changed)}: go on with the same command, '
                'or take another --out'
            )
            raise MguError(msg)
        return {name: {int(c): int(n) for c, n in found.items()} for name, found in areas.items()}
    if shards(out):
        msg = f'{out} holds shards but no {PLAN}: take another --out'
        raise MguError(msg)
    areas = {}
    frames = generation.source.frames(start)
    for frame in tqdm(frames, desc='frames', unit='frame', disable=None):
        if frame.name in areas:
            msg = f'two frames are called {frame.name}: expected names that differ'
            raise MguError(msg)
        counts = np.bincount(frame.labels.ravel(), minlength=256)[:IGNORE]
        areas[frame.name] = {int(label): int(counts[label]) for label in np.flatnonzero(counts)}
    _check_present(start, generation, areas)
    save_json(path, {'format': FORMAT, 'settings': settings, 'areas': areas})
    return areas


def _check_present(start: Start, generation: Generation, areas: dict[str, dict[int, int]]) -> None:
    names = start.classes.names
    most = Counter[int]()
    for found in areas.values():
        for label, pixels in found.items():
            most[label] = max(most[label], pixels)
    present = [label for label, pixels in most.items() if pixels >= generation.min_pixels]
    absent = [label for label in generation.classes or () if label not in present]
    if not areas or not present or absent:
        what = ', '.join(names[label] for label in absent) or 'any class'
        there = ', '.join(f'{names[label]} ({most[label]})' for label in sorted(most)) or 'nothing'
        msg = (
            f'no frame of {generation.source.source} has {generation.min_pixels} pixels of '
            f'{what}; there is, with the most pixels in one frame: {there}; name other classes '
            'or lower --min-pixels'
        )
        raise MguError(msg)


def order_frames(
    areas: dict[str, dict[int, int]], generation: Generation, classes: int
) -> dict[int, list[str]]:
    """Return the frames of each class in the order in which they are taken."""
    order = {}
    for label in generation.classes or range(classes):
        names = sorted(
            n for n, found in areas.items() if found.get(label, 0) >= generation.min_pixels
        )
        rng = np.random.default_rng((generation.seed, label))
        if names:
            order[label] = [names[i] for i in rng.permutation(len(names))]
    return order


def wanted_jobs(
    order: dict[int, list[str]], done: dict[tuple[int, str], bool], per_class: int
) -> dict[str, list[int]]:
    """Return the classes to make of each frame: as many as are missing, in order.

    Frames of which nothing can be made are replaced by the next ones in the next round.
    """
    wanted: dict[str, list[int]] = {}
    for label, names in order.items():
        missing = per_class - sum(done.get((label, name), False) for name in names)
        for name in names:
            if missing <= 0:
                break
            if (label, name) not in done:
                wanted.setdefault(name, []).append(label)
                missing -= 1
    return wanted
