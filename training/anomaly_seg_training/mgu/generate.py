# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a segmenter and a data set to shards of synthetic unknowns, gone on with after any end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.errors import MguError
from anomaly_seg_training.mgu.frames import Frame
from anomaly_seg_training.mgu.generation import Generation
from anomaly_seg_training.mgu.manifest import describe
from anomaly_seg_training.mgu.plan import find_areas, order_frames, wanted_jobs
from anomaly_seg_training.mgu.receptive import receptive_radius
from anomaly_seg_training.mgu.segment import segment_function
from anomaly_seg_training.mgu.shards import (
    FLIPPED,
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

NO_RIGHT_PIXEL = 'no pixel of the class is right'


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
    areas = find_areas(start, generation, out)
    order = order_frames(areas, generation, len(start.classes))
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
        while wanted := wanted_jobs(order, done, generation.per_class):
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
        **describe(start, generation, out, areas),
        'resumed': resumed,
        'seconds': round(time.monotonic() - begin, 1),
        **about(),
    }
    save_json(out / MANIFEST, manifest)
    return manifest


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
