# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a segmenter and a data set to shards of synthetic unknowns, gone on with after any end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.config import MguConfig
from anomaly_seg_training.mgu.errors import MguError
from anomaly_seg_training.mgu.frames import Frame, FrameSource
from anomaly_seg_training.mgu.receptive import receptive_radius
from anomaly_seg_training.mgu.shards import (
    FLIPPED,
    FORMAT,
    MANIFEST,
    NEVER,
    STILL,
    Item,
    Record,
    read_index,
    save_json,
    shard_path,
    shards,
    write_shard,
)
from anomaly_seg_training.mgu.update import MguJob, Segment, masked_gradient_update, wrong
from anomaly_seg_training.tensors import channels_first

PLAN = 'plan.json'
NO_RIGHT_PIXEL = 'no pixel of the class is right'


@dataclass(frozen=True)
class Generation:
    """What is generated.

    Args:
        source: The frames.
        config: How pixels move.
        per_class: Images per class, 300 in the paper.
        classes: Labels of the adversarial classes; None for all that occur.
        min_pixels: Pixels that a class must have in a frame, at the network's size. The paper
            names no limit.
        seed: Chooses the frames.
        batch: Jobs that go through the network together; it changes no choice.
        device: Where the network runs.
    """

    source: FrameSource
    config: MguConfig
    per_class: int = 300
    classes: tuple[int, ...] | None = None
    min_pixels: int = 200
    seed: int = 0
    batch: int = 8
    device: str = 'cpu'


def segment_function(
    start: Start, device: str, memory_format: torch.memory_format = torch.channels_last
) -> Segment:
    """Return the map from images (N, 3, h, w), 0 to 255, to logits of the same size.

    Logits that the network gives at a lower resolution are upsampled bilinearly, as the detector
    does it.

    Args:
        start: Its network is moved and laid out anew in place.
        device: Where it runs.
        memory_format: On a CPU, with channels last, convolutions of both passes need no
            reordering of their maps.
    """
    network = start.network.to(device).to(memory_format=memory_format)
    network.eval().requires_grad_(False)

    def segment(images: Tensor) -> Tensor:
        pixels = start.normalise(images).contiguous(memory_format=memory_format)
        logits: Tensor = network(pixels).float()
        if logits.shape[-2:] == images.shape[-2:]:
            return logits
        return functional.interpolate(
            logits, images.shape[-2:], mode='bilinear', align_corners=False
        )

    return segment


def generate(
    start: Start,
    generation: Generation,
    out: Path,
    about: Callable[[], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """Generate what is not there yet, then write the manifest.

    Args:
        start: The segmenter; it stays as it is.
        generation: What is generated.
        out: Folder of the shards.
        about: Further entries of the manifest.

    Returns:
        The manifest.

    Raises:
        AnomalySegError: The data cannot be used, nothing can be generated, what is in `out` was
            begun with other settings, a gradient is not finite or the disk is full. What is
            written stays, and the same call goes on with it.
    """
    begin = time.monotonic()
    areas = _plan(start, generation, out)
    order = _order(areas, generation, len(start.classes))
    done: dict[tuple[int, str], bool] = {}
    for path in shards(out):
        index = read_index(path)
        entries = [((r.label, r.name), True) for r in index.items]
        entries += [((label, name), False) for name, label, _ in index.rejected]
        for key, made in entries:
            if key in done:
                msg = f'{path} holds {key[1]} a second time: remove {out} and generate again'
                raise MguError(msg)
            done[key] = made
    segment = segment_function(start, generation.device)
    radius = receptive_radius(start.network)
    resumed = sum(done.values())
    total = sum(min(generation.per_class, len(names)) for names in order.values())
    with tqdm(total=total, initial=resumed, desc='mgu', unit='image', disable=None) as bar:
        while wanted := _wanted(order, done, generation.per_class):
            for jobs in _batches(_jobs(start, generation, wanted), generation.batch):
                items, rejected = _process(segment, radius, generation, jobs)
                write_shard(shard_path(out, len(shards(out))), items, rejected)
                done.update({(item.record.label, item.record.name): True for item in items})
                done.update({(label, name): False for name, label, _ in rejected})
                bar.update(len(items))
    if not any(done.values()):
        msg = (
            f'no image could be made of {len(done)} frames: in none of them is a pixel of its '
            'class right; use a segmenter that knows these frames'
        )
        raise MguError(msg)
    manifest = {
        **_manifest(start, generation, out, areas),
        'resumed': resumed,
        'seconds': round(time.monotonic() - begin, 1),
        **about(),
    }
    save_json(out / MANIFEST, manifest)
    return manifest


def _plan(start: Start, generation: Generation, out: Path) -> dict[str, dict[int, int]]:
    """Return the pixels per class of each frame, read once and kept."""
    settings = _settings(start, generation)
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


def _order(
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


def _wanted(
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


def _jobs(
    start: Start, generation: Generation, wanted: dict[str, list[int]]
) -> Iterator[tuple[Frame, MguJob]]:
    left = set(wanted)
    for frame in generation.source.frames(start):
        if frame.name not in left:
            continue
        left.discard(frame.name)
        image = channels_first(frame.image).float()
        labels = torch.from_numpy(frame.labels)
        for label in wanted[frame.name]:
            place = generation.device
            yield frame, MguJob(frame.name, image.to(place), (labels == label).to(place), label)
        if not left:
            return
    if left:
        msg = f'{min(left)} is not in the data set any more: take another --out'
        raise MguError(msg)


def _batches(
    jobs: Iterator[tuple[Frame, MguJob]], size: int
) -> Iterator[list[tuple[Frame, MguJob]]]:
    """Yield jobs of one image size together."""
    waiting: dict[torch.Size, list[tuple[Frame, MguJob]]] = {}
    for entry in jobs:
        group = waiting.setdefault(entry[1].region.shape, [])
        group.append(entry)
        if len(group) == size:
            yield group
            group.clear()
    yield from (group for group in waiting.values() if group)


def _process(
    segment: Segment,
    radius: int | None,
    generation: Generation,
    jobs: Sequence[tuple[Frame, MguJob]],
) -> tuple[list[Item], list[tuple[str, int, str]]]:
    plain = [job for _, job in jobs]
    outcomes = masked_gradient_update(segment, plain, generation.config, radius)
    stored = torch.stack([outcome.image.round() for outcome in outcomes])
    away = wrong(segment, stored, plain)
    items, rejected = [], []
    for (frame, job), outcome, image, gone in zip(jobs, outcomes, stored, away, strict=True):
        right = outcome.right
        if not right.any():
            rejected.append((job.name, job.label, NO_RIGHT_PIXEL))
            continue
        region = torch.zeros_like(job.region, dtype=torch.uint8)
        region[job.region] = NEVER
        region[right] = STILL
        region[right & gone] = FLIPPED
        moved = (image - job.image)[:, right]
        record = Record(
            job.name, job.label, int(job.region.sum()), int(right.sum()),
            int((right & outcome.flipped).sum()), int((right & gone).sum()), outcome.iterations,
            round(float(moved.square().sum(0).mean().sqrt()), 4), float(moved.abs().max()),
        )  # fmt: skip
        pixels = image.byte().cpu().numpy().transpose(1, 2, 0)
        items.append(Item(record, pixels, frame.labels, region.cpu().numpy()))
    return items, rejected


def _settings(start: Start, generation: Generation) -> dict[str, Any]:
    """Return what decides on the result."""
    source = generation.source
    return {
        'weights': start.about.get('sha256'),
        'source': source.source,
        'reader_options': dict(source.options),
        'class_map': dict(source.class_map),
        'size': None if source.size is None else str(source.size),
        'pseudo_labels': source.pseudo_labels,
        'mgu': generation.config.as_dict(),
        'per_class': generation.per_class,
        'classes': None if generation.classes is None else list(generation.classes),
        'min_pixels': generation.min_pixels,
        'seed': generation.seed,
    }


def _manifest(
    start: Start, generation: Generation, out: Path, areas: dict[str, dict[int, int]]
) -> dict[str, Any]:
    names = start.classes.names
    found: dict[int, list[Record]] = {}
    rejected = Counter[int]()
    paths = shards(out)
    for path in paths:
        index = read_index(path)
        for record in index.items:
            found.setdefault(record.label, []).append(record)
        rejected.update(label for _, label, _ in index.rejected)
    per_class = {
        names[label]: {'rejected': rejected[label], **summary(records)}
        for label, records in sorted(found.items())
    }
    asked = [names[label] for label in generation.classes or range(len(names))]
    notes = [
        f'{name}: {per_class[name]["images"] if name in per_class else 0} of '
        f'{generation.per_class} images'
        for name in asked
        if per_class.get(name, {}).get('images', 0) < generation.per_class
    ]
    return {
        'format': FORMAT,
        'classes': list(names),
        'start': start.as_dict(),
        'settings': _settings(start, generation),
        'frames': len(areas),
        'shards': len(paths),
        'images': sum(entry['images'] for entry in per_class.values()),
        'per_class': per_class,
        'all': summary([record for records in found.values() for record in records]),
        'notes': notes,
    }


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return figures over images, pixels pooled.

    Returns:
        `images`; `right`, the share of the regions' pixels that were right at the start;
        `flipped`, of these the share that is wrong after the updates; `kept`, the share that is
        wrong in the stored image; `undone`, the share of the flipped ones that rounding undid,
        less those that it flipped; `l2` and `l_inf` as in `Record`, `l2` the mean over images and
        `l_inf` the largest; `iterations`, the mean.
    """
    right = sum(record.right for record in records)
    flipped = sum(record.flipped for record in records)
    kept = sum(record.kept for record in records)
    return {
        'images': len(records),
        'right': round(right / sum(record.pixels for record in records), 5),
        'flipped': round(flipped / right, 5),
        'kept': round(kept / right, 5),
        'undone': round((flipped - kept) / max(flipped, 1), 5),
        'l2': round(float(np.mean([record.l2 for record in records])), 3),
        'l_inf': max(record.l_inf for record in records),
        'iterations': round(float(np.mean([record.iterations for record in records])), 2),
    }
