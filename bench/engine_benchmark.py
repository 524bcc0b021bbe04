# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch and ONNX Runtime on the same bundle, frame by frame in turn, as a ratio.

    python bench/engine_benchmark.py [--bundle BUNDLE] [--size 1024x512] [--threads N] [--json F]

Turns make both engines meet the same load of the machine, so the ratio holds on a busy machine
too. Each set of outputs is measured: what nobody asks for must cost nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.size import Size

ENGINES = ('torch', 'onnxruntime')
WARM_UP = 2


def measure(bundle: Bundle, size: Size, threads: int, frames: int) -> dict[str, Any]:
    """Return milliseconds (median) per engine, and their ratio, by set of outputs."""
    card = bundle.card
    engines = {name: load_engine(name, bundle, threads=threads) for name in ENGINES}
    sets: dict[str, tuple[str, ...]] = {
        'labels': ('labels',),
        **{f'labels + {score}': ('labels', score) for score in card.scores},
        'everything': ('labels', 'confidence', *card.scores),
    }
    image = np.random.default_rng(0).integers(0, 256, (1, *size.shape, 3), np.uint8)
    times = {(what, name): np.zeros(frames) for what in sets for name in ENGINES}
    for index in tqdm(range(-WARM_UP, frames), unit='round', desc='bench'):
        for what, outputs in sets.items():
            for name, engine in engines.items():
                begin = time.perf_counter()
                engine.run(image, outputs)
                if index >= 0:
                    times[what, name][index] = 1e3 * (time.perf_counter() - begin)
    result: dict[str, Any] = {}
    for what in sets:
        medians = {f'{name}_ms': float(np.median(times[what, name])) for name in ENGINES}
        ratio = float(np.median(times[what, 'torch'] / times[what, 'onnxruntime']))
        result[what] = {**medians, 'torch_over_onnxruntime': ratio}
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--bundle', default='default')
    parser.add_argument('--size', help="of the images (default: the network's)")
    parser.add_argument('--threads', type=int, default=0, help='of both engines; 0 = all cores')
    parser.add_argument('--frames', type=int, default=20)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    bundle = Bundle.open(args.bundle)
    size = Size.parse(args.size) if args.size else bundle.card.input_size
    result = measure(bundle, size, args.threads, args.frames)
    print(f'{bundle.card.name}, {size}; ms per frame, median of {args.frames}')
    print(f'{"outputs":<22}{"torch":>10}{"onnxruntime":>13}{"ratio":>8}')
    for what, row in result.items():
        print(
            f'{what:<22}{row["torch_ms"]:>10.1f}{row["onnxruntime_ms"]:>13.1f}'
            f'{row["torch_over_onnxruntime"]:>8.2f}'
        )
    if args.json:
        write_json(args.json, {'bundle': bundle.card.name, 'size': str(size), 'outputs': result})
    return 0


if __name__ == '__main__':
    sys.exit(main())
