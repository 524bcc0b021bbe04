# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What OODMC's stochastic forwards cost, as multiples of one deterministic forward.

    python bench/oodmc_benchmark.py [--checkpoint ERFNET.pth] [--size 1024x512] [--threads 2]

In every round the deterministic forward, OODMC (moments up to order 4 with the classification of
every pixel) and some naive forwards run in turn. Ratios are taken by wall clock and by processor
time; on a machine that is busy with other work the second one holds. Peak memory is that of one
fresh process per number of samples. Without a checkpoint the weights are random, which changes no
cost.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.models import Segmenter, create_segmenter, load_weights
from anomaly_seg_ros.oodmc import (
    FeatureSpec,
    PixelClassifier,
    Sampling,
    create_sampler,
    moment_stack,
    resolve,
    score_map,
)
from anomaly_seg_ros.oodmc.erfnet import LAST
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size

COUNTS = (16, 64, 128)
NAIVE = 4
"""Naive forwards per round; each costs the same, so 128 cost 32 times as much."""
NAIVE_NAME = 'naive 128 (32 x 4), all trained dropout'
WHOLE = 'decoder repeated at full resolution 128 (32 x 4)'


def network(arguments: argparse.Namespace) -> Segmenter:
    """ERFNet in evaluation mode."""
    torch.manual_seed(0)
    segmenter = create_segmenter('erfnet', num_classes=20, known_classes=19).eval()
    if arguments.checkpoint is not None:
        load_weights(segmenter, arguments.checkpoint)
    return segmenter


def classifier(spec: FeatureSpec) -> PixelClassifier:
    """A linear classifier; its numbers change no cost."""
    size = spec.dimensions(19)
    arrays = {'mean': size, 'scale': size, 'weights': size, 'bias': 1}
    return PixelClassifier('linear', {name: torch.ones(count) for name, count in arrays.items()})


def seconds(action: Callable[[], Any]) -> tuple[float, float]:
    """Return wall clock and processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - processor


def oodmc(segmenter: Segmenter, image: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """The score of every pixel."""
    spec = FeatureSpec()
    stack = moment_stack(create_sampler(segmenter, sampling), sampling, image, spec.order)
    return score_map(stack, spec, classifier(spec))


def costs(arguments: argparse.Namespace) -> dict[str, Any]:
    """Median costs over rounds."""
    segmenter, size = network(arguments), Size.parse(arguments.size)
    image = torch.rand(1, 3, *size.shape)
    rates = resolve(segmenter)
    layers = resolve(segmenter, ('all',))
    actions: dict[str, Callable[[], Any]] = {'deterministic': lambda: segmenter(image)}
    for count in COUNTS:
        sampling = Sampling(rates, samples=count, pool=2, coarse=True)
        actions[f'oodmc {count}'] = lambda s=sampling: oodmc(segmenter, image, s)
    head = resolve(segmenter, (LAST,))
    for name, count in (('128', 128), ('exact', 0)):
        sampling = Sampling(head, samples=count, pool=2)
        actions[f'oodmc {name}, {LAST}'] = lambda s=sampling: oodmc(segmenter, image, s)
    whole = Sampling(rates, samples=NAIVE, pool=2)
    actions[WHOLE] = lambda: oodmc(segmenter, image, whole)
    naive = Sampling(layers, samples=NAIVE, naive=True)
    actions[NAIVE_NAME] = lambda: oodmc(segmenter, image, naive)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for index in range(-1, arguments.rounds):
        for name, action in actions.items():
            found = seconds(action)
            if index >= 0:
                times[name].append(found)
    result: dict[str, Any] = {}
    for name, values in times.items():
        row = {}
        for kind, column in (('wall', 0), ('processor', 1)):
            factor = 128 / NAIVE if name in (WHOLE, NAIVE_NAME) else 1.0
            ratios = [
                factor * v[column] / base[column]
                for v, base in zip(values, times['deterministic'], strict=True)
            ]
            row[f'{kind}_seconds'] = round(factor * median([v[column] for v in values]), 3)
            row[f'{kind}_ratio'] = round(median(ratios), 2)
        result[name] = row
    return result


def median(values: list[float]) -> float:
    """The middle value."""
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.5))


def peak(arguments: argparse.Namespace) -> dict[str, int]:
    """Peak megabytes of this process before and after one image."""
    segmenter, size = network(arguments), Size.parse(arguments.size)
    image = torch.rand(1, 3, *size.shape)
    segmenter(image)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sampling = Sampling(resolve(segmenter), samples=arguments.peak, pool=2, coarse=True)
    oodmc(segmenter, image, sampling)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {'deterministic_mb': before, 'oodmc_mb': after}


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """Peak megabytes by number of samples, each in a process of its own."""
    result = {}
    for count in COUNTS:
        command = [sys.executable, __file__, '--peak', str(count), '--size', arguments.size]
        command += ['--threads', str(arguments.threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        result[str(count)] = json.loads(done.stdout)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--checkpoint', type=Path)
    parser.add_argument('--size', default='1024x512')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--peak', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    with torch.inference_mode():
        if args.peak is not None:
            print(json.dumps(peak(args)))
            return 0
        content = {
            'network': 'erfnet',
            'size': args.size,
            'threads': args.threads,
            'costs': costs(args),
            'peak_memory': memory(args),
            'provenance': provenance(arguments),
        }
    print(json.dumps(content, indent=2))
    if args.json:
        write_json(args.json, content)
    return 0


if __name__ == '__main__':
    sys.exit(main())
