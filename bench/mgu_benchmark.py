# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masked Gradient Update: the fast generator against the paper's text, and what 8 bits cost.

    python bench/mgu_benchmark.py --checkpoint ERFNET.pth --data DATA [--size 480x352] [--frames 2]

In one run, on the same frames of CamVid and the same classes: the literal algorithm, one image and
class at a time, on the network as it is stored; the fast one to the same end, whose flipped pixels
must be the same up to the rounding of float32; the fast one in windows around what is still right;
and both until 99 % of the pixels are wrong. Beside it what the fast one's memory layout alone
brings. Processor time, so that other work on the machine does not count. Then, for every rule:
what flips, how far pixels move, what is left of it in 8 bits, and what is left when images are
resized as crops of a training are.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.start import start_from_checkpoint
from anomaly_seg_training.mgu.config import RULES, MguConfig
from anomaly_seg_training.mgu.frames import FrameSource
from anomaly_seg_training.mgu.literal import literal_update
from anomaly_seg_training.mgu.receptive import receptive_radius
from anomaly_seg_training.mgu.segment import segment_function
from anomaly_seg_training.mgu.update import MguJob, MguOutcome, masked_gradient_update, wrong

ENOUGH = 0.99
STEPS = {'raw': 2e5, 'sign': 1.0, 'normalised': 1.0}
"""Of each rule; raw steps depend on the area, see `MguConfig`."""


def jobs(arguments: argparse.Namespace, start: Any) -> list[MguJob]:
    """The classes of some frames."""
    source = FrameSource(
        arguments.data, 'camvid', {'splits': ['train'], 'step': arguments.every}, {},
        Size.parse(arguments.size), 1.0,
    )  # fmt: skip
    found = []
    for number, frame in enumerate(source.frames(start)):
        if number == arguments.frames:
            break
        image = torch.from_numpy(np.ascontiguousarray(frame.image.transpose(2, 0, 1))).float()
        labels = torch.from_numpy(frame.labels)
        counts = np.bincount(frame.labels.ravel(), minlength=256)[:255]
        found += [
            MguJob(frame.name, image, labels == label, int(label))
            for label in np.flatnonzero(counts >= arguments.pixels).tolist()
        ]
    return found


def seconds(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return processor time and result."""
    begin = time.process_time()
    result = action()
    return time.process_time() - begin, result


def batched(
    segment: Any, work: list[MguJob], config: MguConfig, size: int
) -> Callable[[], list[MguOutcome]]:
    """The fast generator on batches."""
    return lambda: [
        outcome
        for first in range(0, len(work), size)
        for outcome in masked_gradient_update(segment, work[first : first + size], config)
    ]


def both_passes(segment: Any, image: torch.Tensor) -> float:
    """Return the processor time of one forward and one backward pass, the least of three."""

    def run() -> None:
        variable = image[None].clone().requires_grad_(True)
        torch.autograd.grad(segment(variable).softmax(1)[:, 0].mean(), variable)

    return min(seconds(run)[0] for _ in range(3))


def speed(
    arguments: argparse.Namespace, stored: Any, segment: Any, work: list[MguJob]
) -> dict[str, Any]:
    """Seconds per image and class, and which pixels flip."""
    iterations = arguments.iterations
    plain = MguConfig(iterations=iterations)
    spent, literal = seconds(
        lambda: [literal_update(stored, j.image, j.region, j.label, plain) for j in work]
    )
    flipped = torch.stack([pair[1] for pair in literal])
    area = int(sum(job.region.sum() for job in work))
    result: dict[str, Any] = {
        'literal': {
            'seconds_per_image': round(spent / len(work), 3),
            'flipped': round(float(flipped.sum()) / area, 5),
        },
        'both_passes': {
            'as_stored': round(both_passes(stored, work[0].image), 4),
            'as_run': round(both_passes(segment, work[0].image), 4),
        },
    }
    windows = f'context {arguments.context}'
    for name, share, context in (
        ('fast, same end', 1.0, 0),
        (f'fast, {windows}', 1.0, arguments.context),
        ('fast, until 99 %', ENOUGH, 0),
        (f'fast, until 99 %, {windows}', ENOUGH, arguments.context),
    ):
        config = MguConfig(iterations=iterations, stop_share=share, context=context)
        time_, outcomes = seconds(batched(segment, work, config, arguments.batch))
        own = torch.stack([outcome.flipped for outcome in outcomes])
        result[name] = {
            'seconds_per_image': round(time_ / len(work), 3),
            'ratio': round(spent / time_, 2),
            'flipped': round(float(own.sum()) / area, 5),
            'as_the_literal': round(1 - float((own != flipped).sum()) / area, 5),
            'iterations': round(float(np.mean([outcome.iterations for outcome in outcomes])), 2),
        }
    return result


def quality(arguments: argparse.Namespace, segment: Any, work: list[MguJob]) -> dict[str, Any]:
    """What each rule makes, of the pixels that were right; 8 bits, and resized as a crop is."""
    result: dict[str, Any] = {}
    for rule in RULES:
        config = MguConfig(rule, STEPS[rule], iterations=arguments.iterations, stop_share=ENOUGH)
        outcomes = batched(segment, work, config, arguments.batch)()
        used = [(job, out) for job, out in zip(work, outcomes, strict=True) if out.right.any()]
        right = float(sum(int(out.right.sum()) for _, out in used))
        flipped = kept = back = resized = 0
        lengths, largest = [], 0.0
        for job, out in used:
            stored = out.image.round()
            gone = wrong(segment, stored[None], [job])[0]
            flipped += int((out.right & out.flipped).sum())
            kept += int((out.right & gone).sum())
            back += int((out.right & out.flipped & ~gone).sum())
            resized += int((out.right & _wrong_at(segment, job, stored, 1.1)).sum())
            moved = (stored - job.image)[:, out.right]
            lengths.append(float(moved.square().sum(0).mean().sqrt()))
            largest = max(largest, float(moved.abs().max()))
        result[rule] = {
            'step': STEPS[rule],
            'iterations': round(float(np.mean([out.iterations for _, out in used])), 2),
            'flipped': round(flipped / right, 5),
            'flipped_in_8_bits': round(kept / right, 5),
            'undone_by_8_bits': round(back / max(flipped, 1), 5),
            'flipped_after_resizing_by_1.1': round(resized / right, 5),
            'l2': round(float(np.mean(lengths)), 3),
            'l_inf': largest,
        }
    return result


def _wrong_at(segment: Any, job: MguJob, image: torch.Tensor, factor: float) -> torch.Tensor:
    """Where pixels are wrong when the network sees the image larger, told at its own size."""
    height, width = (round(side * factor / 32) * 32 for side in job.region.shape)
    with torch.inference_mode():
        larger = functional.interpolate(image[None], (height, width), mode='bilinear')
        logits = functional.interpolate(segment(larger), job.region.shape, mode='bilinear')
    return job.region & (logits.argmax(1)[0] != job.label)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--checkpoint', type=Path, required=True, help="ERFNet's, 20 outputs")
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument('--size', default='480x352')
    parser.add_argument('--frames', type=int, default=2)
    parser.add_argument('--every', type=int, default=150, help='every so many frames of CamVid')
    parser.add_argument('--pixels', type=int, default=500, help='of a class, at least')
    parser.add_argument('--iterations', type=int, default=50)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--context', type=int, default=32)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    recipe = FinetuneRecipe(
        name='bench', shares={'camvid': 1.0}, segmenter='erfnet',
        options={'num_classes': 20, 'known_classes': 19},
    )  # fmt: skip
    start = start_from_checkpoint(recipe, args.checkpoint)
    other = dataclasses.replace(start, network=copy.deepcopy(start.network))
    stored = segment_function(other, 'cpu', as_stored=True)
    segment = segment_function(start, 'cpu')
    work = jobs(args, start)
    content = {
        'network': 'erfnet',
        'weights_sha256': start.about['sha256'],
        'size': args.size,
        'frames': args.frames,
        'jobs': len(work),
        'iterations_at_most': args.iterations,
        'receptive_radius': receptive_radius(start.network),
        'speed': speed(args, stored, segment, work),
        'quality': quality(args, segment, work),
        'provenance': provenance(arguments),
    }
    print(json.dumps(content, indent=2))
    if args.json:
        write_json(args.json, content)
    return 0


if __name__ == '__main__':
    sys.exit(main())
