# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames per second of the synthetic street scenes on one core, in CPU time.

Run ``python bench/synthetic_benchmark.py --size 1024x512``; other load on the machine slows
memory and shared cores, so the figure is a lower bound unless the machine is idle.
"""

from __future__ import annotations

import argparse
import json
import time

import cv2

from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=Size.parse, default=Size(1024, 512))
    parser.add_argument('--frames', type=int, default=60)
    parser.add_argument('--seeds', type=int, default=4)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    setup = first = later = 0.0
    for seed in range(arguments.seeds):
        start = time.process_time()
        clip = StreetClip(SceneConfig(size=arguments.size, seed=seed, frames=arguments.frames))
        built = time.process_time()
        _ = clip[0]
        drawn = time.process_time()
        for frame in clip:
            assert frame.image.size
        setup += built - start
        first += drawn - built
        later += time.process_time() - drawn
    count = arguments.seeds * arguments.frames
    print(json.dumps({
        'size': str(arguments.size),
        'clips': arguments.seeds,
        'frames_per_clip': arguments.frames,
        'setup_s': round(setup / arguments.seeds, 3),
        'first_frame_s': round(first / arguments.seeds, 3),
        'frame_ms': round(1000 * later / count, 2),
        'frames_per_s': round(count / later, 2),
    }, indent=2))  # fmt: skip


if __name__ == '__main__':
    main()
