# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mask clean-up against the plain way with OpenCV's region statistics, in turn, as a ratio.

    python bench/cleanup_benchmark.py [--size 1024x512] [--rounds 50] [--json F]

Both give the same masks, which is checked. They take turns, so that they meet the same load of the
machine; the fastest round says what the code costs, the median what the machine gave it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.cleanup import CleanupConfig, MaskCleaner
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.size import Size

SHARES = (0.001, 0.01, 0.1)
"""Of the image above the threshold: calm, busy, wrong."""
RANGE = (-1.0, 1.0)
RULES = CleanupConfig(hysteresis=0.1, min_area=20)
FRAMES = 4


def plain(score: NDArray[np.float32], high: float, low: float) -> NDArray[np.uint8]:
    """Clean a mask by the statistics of all regions."""
    weak = (score > np.float32(low)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    reach = np.zeros(count, bool)
    reach[np.unique(labels[score > np.float32(high)])] = True
    kept = reach & (stats[:, cv2.CC_STAT_AREA] >= RULES.min_area)
    kept[0] = False
    return np.where(kept[labels], 255, 0).astype(np.uint8)


def measure(size: Size, share: float, rounds: int) -> dict[str, Any]:
    """Return milliseconds of each way, fastest and median, and the ratio of the fastest."""
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(FRAMES):
        noise = rng.standard_normal(size.shape).astype(np.float32)
        scores.append(np.asarray(cv2.GaussianBlur(noise, (0, 0), 4), np.float32))
    threshold = float(np.quantile(np.array(scores), 1 - share))
    low = RULES.low_threshold(threshold, RANGE)
    cleaner = MaskCleaner(RULES)
    lasting = MaskCleaner(CleanupConfig(RULES.hysteresis, RULES.min_area, (2, 3)))
    ways = {
        'plain': lambda score: plain(score, threshold, low),
        'cleaner': lambda score: cleaner.clean(score, threshold, score_range=RANGE),
        'persistence 2/3': lambda score: lasting.clean(score, threshold, score_range=RANGE),
    }
    for score in scores:
        assert np.array_equal(ways['plain'](score), ways['cleaner'](score))
    times: dict[str, list[float]] = {name: [] for name in ways}
    for index in range(rounds):
        for name, way in ways.items():
            begin = time.perf_counter()
            way(scores[index % FRAMES])
            times[name].append(1e3 * (time.perf_counter() - begin))
    result: dict[str, Any] = {
        name: {'fastest_ms': min(values), 'median_ms': float(np.median(values))}
        for name, values in times.items()
    }
    result['plain_over_cleaner'] = min(times['plain']) / min(times['cleaner'])
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--size', default='1024x512')
    parser.add_argument('--rounds', type=int, default=50)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    size = Size.parse(args.size)
    results = {}
    for share in SHARES:
        row = results[str(share)] = measure(size, share, args.rounds)
        words = ', '.join(
            f'{name} {row[name]["fastest_ms"]:.2f} ({row[name]["median_ms"]:.2f})'
            for name in ('plain', 'cleaner', 'persistence 2/3')
        )
        print(f'{size}, {share:g} above: {words} ms; ratio {row["plain_over_cleaner"]:.1f}')
    if args.json:
        write_json(args.json, {'size': str(size), 'shares': results})
    return 0


if __name__ == '__main__':
    sys.exit(main())
