# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exact anomaly figures against scikit-learn's three calls: time as a ratio, and peak memory.

    python bench/metrics_benchmark.py [--pixels 20000000] [--stream 20000000,2000000000] [--json F]

Each part runs in a process of its own, so that its memory is its own. Both sides get the same
scores; making them is not timed. Ours gets them image by image, scikit-learn, as it must, all at
once: its arrays are not counted as extra memory. Times are of the processor and of the clock; the
ratio of processor times holds on a busy machine too. The streams show that memory does not grow.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance

HEIGHT, WIDTH = 1024, 2048
SHARE = 0.01
"""Of the pixels are anomalous, in one box per image, as in Fishyscapes."""
FIGURES = ('auroc', 'ap', 'fpr95')


def images(pixels: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Yield synthetic scores and targets until there are so many pixels."""
    side = round((SHARE * HEIGHT * WIDTH) ** 0.5)
    for seed in range(-(-pixels // (HEIGHT * WIDTH))):
        rng = np.random.default_rng(seed)
        score = rng.standard_normal((HEIGHT, WIDTH), np.float32)
        target = np.zeros(score.shape, np.uint8)
        row, column = rng.integers(0, (HEIGHT - side, WIDTH - side))
        box = slice(row, row + side), slice(column, column + side)
        target[box] = 1
        score[box] += 2
        yield score, target


class Stopwatch:
    """Adds up processor and clock time."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        result = function(*arguments)
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall
        return result


class Memory:
    """The peak of resident memory above what is resident now."""

    def __init__(self) -> None:
        Path('/proc/self/clear_refs').write_text('5', 'ascii')
        self._start = self._status('VmRSS')

    def extra_mb(self) -> float:
        return (self._status('VmHWM') - self._start) / 1e6

    @staticmethod
    def _status(field: str) -> int:
        lines = Path('/proc/self/status').read_text('ascii').splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def run_ours(pixels: int) -> dict[str, Any]:
    """Stream the images through our metrics."""
    from anomaly_seg_ros.metrics import AnomalyMetrics

    warm = AnomalyMetrics()
    warm.update(*next(images(1)))
    warm.compute()
    del warm
    clock, metrics, memory = Stopwatch(), AnomalyMetrics(), Memory()
    count = -(-pixels // (HEIGHT * WIDTH))
    for score, target in tqdm(images(pixels), total=count, unit='image', desc=f'ours {pixels:,}'):
        clock(metrics.update, score, target)
    result = clock(metrics.compute)
    figures = {name: getattr(result, name) for name in FIGURES}
    return _report(clock, memory, result.pixels, figures)


def run_scikit_learn(pixels: int) -> dict[str, Any]:
    """Give everything to scikit-learn."""
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    pairs = list(tqdm(images(pixels), unit='image', desc='scikit-learn'))
    scores = np.concatenate([score.ravel() for score, _ in pairs])
    targets = np.concatenate([target.ravel() for _, target in pairs])
    del pairs
    clock, memory = Stopwatch(), Memory()
    auroc = clock(roc_auc_score, targets, scores)
    ap = clock(average_precision_score, targets, scores)
    fpr, tpr, _ = clock(lambda: roc_curve(targets, scores, drop_intermediate=False))
    fpr95 = float(fpr[np.searchsorted(tpr, 0.95)])
    figures = {'auroc': float(auroc), 'ap': float(ap), 'fpr95': fpr95}
    return _report(clock, memory, scores.size, figures)


def _report(
    clock: Stopwatch, memory: Memory, pixels: int, figures: dict[str, float]
) -> dict[str, Any]:
    return {
        'pixels': pixels,
        'cpu_s': clock.cpu,
        'wall_s': clock.wall,
        'cpu_ns_per_pixel': 1e9 * clock.cpu / pixels,
        'extra_memory_mb': memory.extra_mb(),
        **figures,
    }


PARTS = {'ours': run_ours, 'scikit-learn': run_scikit_learn}


def part(name: str, pixels: int) -> dict[str, Any]:
    """Run one part in a fresh process."""
    command = [sys.executable, __file__, '--part', name, '--pixels', str(pixels)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(pixels: int) -> dict[str, Any]:
    """Measure both sides, ours before and after."""
    before, other, after = (part(name, pixels) for name in ('ours', 'scikit-learn', 'ours'))
    ratios = {
        f'{kind}_ratio': other[f'{kind}_s'] * 2 / (before[f'{kind}_s'] + after[f'{kind}_s'])
        for kind in ('cpu', 'wall')
    }
    return {
        **ratios,
        'largest_difference': max(abs(before[name] - other[name]) for name in FIGURES),
        'ours': [before, after],
        'scikit-learn': other,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument(
        '--pixels', type=int, default=20_000_000, help='to compare with; 0: do not'
    )
    parser.add_argument(
        '--stream',
        default='20000000,200000000',
        help='pixels of each stream, separated by commas; the disk must take 4 bytes per pixel',
    )
    parser.add_argument('--json', type=Path, help='also write what is known so far to this file')
    parser.add_argument('--part', choices=tuple(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        print(json.dumps(PARTS[options.part](options.pixels)))
        return 0
    streams = [int(count) for count in options.stream.split(',') if count]
    content: dict[str, Any] = {'provenance': provenance(), 'streams': []}

    def keep() -> None:
        if options.json:
            write_json(options.json, content)

    if options.pixels:
        content['comparison'] = compare(options.pixels)
        keep()
    for stream in streams:
        content['streams'].append(part('ours', stream))
        keep()
    print(json.dumps(content, indent=2))
    return 0


if __name__ == '__main__':
    sys.exit(main())
