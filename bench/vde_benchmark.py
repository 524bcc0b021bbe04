# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VDE in PyTorch and ONNX Runtime against the paper's steps taken literally, in turn.

    python bench/vde_benchmark.py [--size 2048x1024] [--threads 2] [--rounds 30] [--json F]

All run on the same frame and give the same numbers, which is checked first. They take turns, so
that they meet the same load of the machine; the fastest of all rounds says what the code costs,
the median what the machine gave it, and the least processor time of all threads what it costs
where others hold the cores. ``torch`` is what the torch engine runs on a CPU (NumPy on one
thread), ``torch_operators`` what it runs on a GPU and what is exported.

Two things stand for the literal steps: a torch version with one step per row (dilation by max
pooling the row above and a running maximum, erosion by running products), and the pixel-by-pixel
loops that the tests use, on a small frame. Ratios are those of processor times.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.refinement import vde
from anomaly_seg_ros.refinement.vde import VdeConfig, vde_refine
from anomaly_seg_ros.size import Size

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'test'))
from support.vde_reference import vde_reference

ROAD, SKY, BUILDING, CAR = 0, 10, 2, 13
CONFIG = VdeConfig()
SMALL = Size(128, 64)
WARM_UP = 3


def frame(size: Size, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return score and labels, (H, W), of a street with holes, cars and unsure pixels."""
    random = np.random.default_rng(seed)
    height, width = size.shape
    y, x = np.mgrid[:height, :width] / np.array(size.shape).reshape(2, 1, 1)
    labels = np.where(y < 0.4, SKY, BUILDING).astype(np.uint8)
    labels[(y > 0.45) & (np.abs(x - 0.5) < 1.2 * (y - 0.4))] = ROAD
    for _ in range(6):
        top, left = random.uniform(0.45, 0.9), random.uniform(0.1, 0.9)
        labels[(np.abs(y - top) < 0.05) & (np.abs(x - left) < 0.04)] = CAR
    score = random.normal(size=size.shape).astype(np.float32)
    return score, labels


class Vde(nn.Module):
    """The refinement as a graph."""

    def forward(self, score: Tensor, labels: Tensor) -> Tensor:
        """Map (N, H, W) and (N, H, W) to (N, H, W)."""
        return vde_refine(score, labels, (ROAD,), CONFIG)


def operators(score: Tensor, labels: Tensor) -> Tensor:
    """Refine by PyTorch's operators where NumPy could."""
    with mock.patch.object(vde, 'is_plain', return_value=False):
        return vde_refine(score, labels, (ROAD,), CONFIG)


def row_by_row(score: Tensor, labels: Tensor) -> Tensor:
    """The paper's steps with a Python loop over rows; (1, H, W) -> (1, H, W)."""
    road = (labels[0] == ROAD) & (score[0] <= CONFIG.road_threshold)
    dilated = road.to(torch.float32)
    height = len(dilated)
    for row in range(height):
        window = dilated[max(row - 1, 0) : row + 2]
        spread = F.max_pool2d(window[None, None], (len(window), 3), 1, (0, 1))[0, 0, 0]
        dilated[row] = spread.cummax(0).values
    region = dilated > 0
    for row in range(height):
        empty = (~road[row]).to(torch.uint8)
        walked = empty.cumprod(0) + empty.flip(0).cumprod(0).flip(0)
        region[row] &= walked == 0
    if not road.any():
        return score
    refined = torch.where(region, score + CONFIG.raise_hole, score - CONFIG.lower_outside)
    return torch.where(road, score - CONFIG.lower_road, refined)


def session(size: Size, threads: int) -> Any:
    """Export the refinement and return an ONNX Runtime session of it."""
    from onnxruntime import InferenceSession, SessionOptions

    example = (torch.zeros((2, *size.shape)), torch.zeros((2, *size.shape), dtype=torch.uint8))
    free = {0: torch.export.Dim('n')}
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        path = Path(folder) / 'vde.onnx'
        torch.onnx.export(
            Vde(),
            example,
            str(path),
            dynamo=True,
            opset_version=18,
            input_names=['score', 'labels'],
            dynamic_shapes=(free, free),
            external_data=False,
            verbose=False,
        )
        options = SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        return InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


def in_turn(functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Return each function's fastest and median time and its least processor time, in ms."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    used: dict[str, list[float]] = {name: [] for name in functions}
    for index in range(-WARM_UP, rounds):
        for name, function in functions.items():
            begin, begin_used = time.perf_counter(), time.process_time()
            function()
            if index >= 0:
                times[name].append(1e3 * (time.perf_counter() - begin))
                used[name].append(1e3 * (time.process_time() - begin_used))
    return {
        name: {
            'best_ms': min(values),
            'median_ms': float(np.median(values)),
            'processor_ms': min(used[name]),
        }
        for name, values in times.items()
    }


def measure(size: Size, threads: int, rounds: int) -> dict[str, Any]:
    """Check that all agree, then time them."""
    torch.set_num_threads(threads)
    score, labels = frame(size)
    arrays = {'score': score[None], 'labels': labels[None]}
    score_tensor, labels_tensor = (torch.from_numpy(array) for array in arrays.values())
    runner = session(size, threads)
    module = Vde()
    with torch.inference_mode():
        expected = row_by_row(score_tensor, labels_tensor).numpy()
        np.testing.assert_array_equal(module(score_tensor, labels_tensor).numpy(), expected)
        np.testing.assert_array_equal(operators(score_tensor, labels_tensor).numpy(), expected)
        np.testing.assert_array_equal(runner.run(None, arrays)[0], expected)
        large = in_turn(
            {
                'torch': lambda: module(score_tensor, labels_tensor),
                'torch_operators': lambda: operators(score_tensor, labels_tensor),
                'onnxruntime': lambda: runner.run(None, arrays),
                # What any operator costs at least: one pass over the score.
                'one_addition_torch': lambda: score_tensor + 1,
            },
            rounds,
        )
        large |= in_turn({'row_by_row_torch': lambda: row_by_row(score_tensor, labels_tensor)}, 3)

        little, small_labels = frame(SMALL)
        amounts = (CONFIG.raise_hole, CONFIG.lower_road, CONFIG.lower_outside)
        pair = torch.from_numpy(little)[None], torch.from_numpy(small_labels)[None]
        literal = vde_reference(little, small_labels, (ROAD,), CONFIG.road_threshold, *amounts)
        np.testing.assert_array_equal(module(*pair)[0].numpy(), literal)
        small = in_turn(
            {
                'torch': lambda: module(*pair),
                'literal_loops': lambda: vde_reference(
                    little, small_labels, (ROAD,), CONFIG.road_threshold, *amounts
                ),
            },
            3,
        )
    naive = large['row_by_row_torch']['processor_ms']
    return {
        'provenance': provenance(),
        'size': str(size),
        'threads': threads,
        'cores': os.cpu_count(),
        'load_average': os.getloadavg()[0],
        'rounds': rounds,
        'note': 'other processes share the machine: see its load',
        'times': large,
        'row_by_row_over_torch': naive / large['torch']['processor_ms'],
        'row_by_row_over_onnxruntime': naive / large['onnxruntime']['processor_ms'],
        'small': {
            'size': str(SMALL),
            'times': small,
            'literal_over_torch': small['literal_loops']['processor_ms']
            / small['torch']['processor_ms'],
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--size', default='2048x1024')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=30)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    result = measure(Size.parse(args.size), args.threads, args.rounds)
    print(f'VDE, {result["size"]}, {args.threads} threads; ms: best, median, processor')
    for name, row in result['times'].items():
        print(
            f'{name:<22}{row["best_ms"]:>10.2f}{row["median_ms"]:>10.2f}{row["processor_ms"]:>10.2f}'
        )
    for name in ('torch', 'onnxruntime'):
        print(f'row by row over {name}: {result[f"row_by_row_over_{name}"]:.0f}')
    print(f'literal loops over torch at {SMALL}: {result["small"]["literal_over_torch"]:.0f}')
    if args.json:
        write_json(args.json, result)
    return 0


if __name__ == '__main__':
    sys.exit(main())
