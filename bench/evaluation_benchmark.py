# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation costs beside the network, as a ratio.

    python bench/evaluation_benchmark.py --bundle BUNDLE --root DIR [--set FS_LostFound_full]
        [--images 50] [--rounds 3] [--threads 2] [--size 1024x512] [--json F]

Three things take turns, so that they meet the same load of the machine:

- network: the engine on images in memory, labels alone;
- scores: the engine on images in memory, all scores;
- evaluation: everything, from checking and reading files to exact figures of all scores.

Reported are wall-clock and CPU seconds per image, the best of the rounds, and the medians of the
ratios. On a machine that others use, the ratios of CPU time are the ones to look at.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anomaly_seg_ros.engines.base import LABELS
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size
from anomaly_seg_training.benchmark import open_benchmark
from anomaly_seg_training.evaluation import (
    Evaluation,
    EvaluationConfig,
    ModelOptions,
    load_model,
)
from anomaly_seg_training.evaluation.sources import of_benchmark
from anomaly_seg_training.resizing import resize_image


def _timed(work: Callable[[], object]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--bundle', required=True)
    parser.add_argument('--dataset', default='road_anomaly_val')
    parser.add_argument('--root', type=Path, required=True)
    parser.add_argument('--set', default='FS_LostFound_full')
    parser.add_argument('--images', type=int, default=50)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--threads', type=int, default=0)
    parser.add_argument('--engine', default='auto')
    parser.add_argument('--size', default='1024x512')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    if args.threads > 0:
        cv2.setNumThreads(args.threads)
    size = Size.parse(args.size)
    options = ModelOptions(engine=args.engine, threads=args.threads)
    model = load_model(args.bundle, options)
    found = next(s for s in open_benchmark(args.dataset, args.root) if s.name == args.set)
    found = replace(found, items=found.items[: args.images])
    images = [resize_image(item.image(), size)[None] for item in found]

    def network(*outputs: str) -> Callable[[], None]:
        def run() -> None:
            for image in images:
                model.engine.run(image, outputs)

        return run

    def evaluation() -> None:
        with tempfile.TemporaryDirectory(prefix='evaluation-') as work:
            config = EvaluationConfig('fishyscapes', size)
            Evaluation([of_benchmark(found)], [model], config, Path(work)).run()

    contestants: dict[str, Callable[[], None]] = {
        'network': network(LABELS),
        'scores': network(*model.outputs),
        'evaluation': evaluation,
    }
    model.engine.run(images[0], (LABELS,))
    model.engine.run(images[0], tuple(model.outputs))
    times: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    for _ in range(args.rounds):
        for name, work in contestants.items():
            times[name].append(_timed(work))
    content: dict[str, Any] = {
        'images': len(images),
        'outputs': list(model.outputs),
        'engine': model.engine.name,
        'threads': args.threads,
        'seconds_per_image': {
            name: {
                clock: min(t[clock] for t in measured) / len(images) for clock in ('wall', 'cpu')
            }
            for name, measured in times.items()
        },
        'ratio': {
            f'evaluation / {other}': {
                clock: float(np.median([
                    e[clock] / o[clock]
                    for e, o in zip(times['evaluation'], times[other], strict=True)
                ]))
                for clock in ('wall', 'cpu')
            }
            for other in ('network', 'scores')
        },
        'provenance': provenance(),
    }  # fmt: skip
    print(json.dumps(content, indent=2))
    if args.json:
        write_json(args.json, content)
    return 0


if __name__ == '__main__':
    sys.exit(main())
