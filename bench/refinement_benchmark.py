# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boundary suppression and smoothing against plain PyTorch, in turn, as a ratio.

    python bench/refinement_benchmark.py [--size 2048x1024] [--threads 2] [--maps M.npz] [--json F]

Four forms refine the same frame and give the same numbers, which is checked first:

- plain: PyTorch operators for the steps as they are published, whole images at every step;
- fast: what the engine torch and the lab run on a CPU (`refinement.fast`);
- operators: what graphs and GPUs run, in PyTorch (on the GPU, too, where there is one);
- onnxruntime: the same operators as an exported graph.

They take turns, so that they meet the same load of the machine. Reported are the median and the
fastest of the wall-clock times, the CPU time of the fastest round, and the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.refinement import boundary, smoothing
from anomaly_seg_ros.refinement.boundary import Boundaries
from anomaly_seg_ros.refinement.smoothing import smooth
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip

WARM_UP = 2
TOLERANCE = 1e-4


def plain(score: Tensor, labels: Tensor) -> Tensor:
    """Refine (1, 1, H, W) as published: dilations, window sums and a dilated convolution."""
    ids = labels.float()
    height, width = ids.shape[2:]

    def neighbours(x: Tensor, outside: float) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), value=outside)
        return F.unfold(x, 3).view(1, 9, height, width)

    dilated = neighbours(ids, -1.0)[:, [1, 3, 4, 5, 7]].amax(1, keepdim=True)
    eroded = neighbours(ids, 256.0).amin(1, keepdim=True)
    base = (dilated != eroded).float()
    ones = torch.ones(1, 1, 3, 3)
    for radius in (3, 2, 1, 0):
        steps = torch.arange(-radius, radius + 1).abs()
        diamond = (steps[:, None] + steps <= radius).float()[None, None]
        inside = F.conv2d(base, diamond, padding=radius) > 0
        outside = (~inside).float()
        total = F.conv2d(F.pad(score * outside, (1, 1, 1, 1), mode='replicate'), ones)
        count = F.conv2d(F.pad(outside, (1, 1, 1, 1), mode='replicate'), ones)
        mean = torch.where(count > 0, total / count.clamp(min=1), score)
        score = torch.where(inside, mean, score)
    taps = torch.exp(-(torch.arange(-3.0, 4.0) ** 2) / 2)
    kernel = torch.outer(taps, taps) / taps.sum() ** 2
    score = F.pad(score, (18, 18, 18, 18), mode='replicate')
    return F.conv2d(score, kernel[None, None], dilation=6)


class Steps(nn.Module):
    """Suppression and smoothing, (N, H, W); as PyTorch operators when traced or on a GPU."""

    def forward(self, score: Tensor, labels: Tensor) -> Tensor:
        """Refine."""
        return smooth(Boundaries(labels).suppress(score))


def operators(score: Tensor, labels: Tensor) -> Tensor:
    """Refine by the operators of the graph."""
    with (
        patch.object(boundary, 'is_plain', lambda _: False),
        patch.object(smoothing, 'is_plain', lambda _: False),
    ):
        return Steps()(score, labels)


def frame(size: Size) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return a score of noise and the labels of a street, (H, W)."""
    labels = StreetClip(SceneConfig(size=size, seed=1, frames=1))[0].labels
    noise = np.random.default_rng(0).normal(0, 1, size.shape).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 3) * 10 - 8, labels


def session(score: Tensor, labels: Tensor, threads: int) -> Any:
    """Export the steps, and load them as the engine does."""
    import onnxruntime

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        path = str(Path(place, 'steps.onnx'))
        torch.onnx.export(
            Steps(), (score, labels), path, dynamo=True, opset_version=18,
            input_names=['score', 'labels'], external_data=False, verbose=False,
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_mem_pattern = False
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        providers = ['CPUExecutionProvider']
        return onnxruntime.InferenceSession(path, options, providers=providers)


def gpu_milliseconds(score: Tensor, labels: Tensor, rounds: int) -> dict[str, float]:
    """Time the operators on the GPU, one by one and compiled into fused kernels."""
    score, labels = score.cuda(), labels.cuda()
    found = {}
    for name, steps in (('eager', Steps()), ('compiled', torch.compile(Steps()))):
        for _ in range(5):
            steps(score, labels)
        times = []
        for _ in range(rounds):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            steps(score, labels)
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end))
        found[f'{name}_ms'] = float(np.median(times))
    return found


def measure(
    score: NDArray[np.float32], labels: NDArray[np.uint8], threads: int, rounds: int
) -> dict[str, Any]:
    """Return figures per form; refuse forms that give other numbers."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    maps, ids = torch.from_numpy(score)[None], torch.from_numpy(labels)[None]
    graph = session(maps, ids, threads)
    feeds = {'score': score[None], 'labels': labels[None]}
    forms: dict[str, Callable[[], Any]] = {
        'plain': lambda: plain(maps[None], ids[None])[0],
        'fast': lambda: Steps()(maps, ids),
        'operators': lambda: operators(maps, ids),
        'onnxruntime': lambda: graph.run(None, feeds)[0],
    }
    expected = np.asarray(forms['plain']())
    result: dict[str, Any] = {}
    for name, form in forms.items():
        error = float(np.abs(np.asarray(form()) - expected).max())
        if error > TOLERANCE:
            msg = f'{name} differs from plain by {error:.2g}'
            raise SystemExit(msg)
        result[name] = {'largest_difference': error}
    wall = {name: np.zeros(rounds) for name in forms}
    cpu = {name: np.zeros(rounds) for name in forms}
    for index in range(-WARM_UP, rounds):
        for name, form in forms.items():
            begin, begin_cpu = time.perf_counter(), time.process_time()
            form()
            if index >= 0:
                wall[name][index] = 1e3 * (time.perf_counter() - begin)
                cpu[name][index] = 1e3 * (time.process_time() - begin_cpu)
    for name in forms:
        result[name] |= {
            'median_ms': float(np.median(wall[name])),
            'fastest_ms': float(wall[name].min()),
            'cpu_ms': float(cpu[name].min()),
            'plain_over_this': float(np.median(wall['plain'] / wall[name])),
            'plain_over_this_fastest': float(wall['plain'].min() / wall[name].min()),
        }
    if torch.cuda.is_available():
        result['gpu'] = gpu_milliseconds(maps, ids, rounds)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print JSON, write it."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--size', default='2048x1024')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--maps', type=Path, help='.npz with score and labels, instead of --size')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    if args.maps:
        with np.load(args.maps) as stored:
            score, labels = stored['score'], stored['labels']
    else:
        score, labels = frame(Size.parse(args.size))
    with torch.inference_mode():
        share = float((Boundaries(torch.from_numpy(labels)[None]).levels > 0).float().mean())
        result = {
            'size': f'{score.shape[1]}x{score.shape[0]}',
            'threads': args.threads,
            'rounds': args.rounds,
            'inside_boundaries': share,
            'forms': measure(score, labels, args.threads, args.rounds),
            'provenance': provenance(arguments),
        }
    print(json.dumps(result, indent=2))
    if args.json:
        write_json(args.json, result)
    return 0


if __name__ == '__main__':
    sys.exit(main())
