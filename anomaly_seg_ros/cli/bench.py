# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg bench``: the time per frame, spent as the detector node spends it."""

from __future__ import annotations

import argparse
import os
import platform
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.cleanup import CleanupConfig, MaskCleaner
from anomaly_seg_ros.cli.detector_options import add_detector_arguments, chosen_detector
from anomaly_seg_ros.engines import Engine, EngineError
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.nodes.image_conversion import to_message, to_rgb
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.selection import Selection
from anomaly_seg_ros.size import Size

WARM_UP_FRAMES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('--size', metavar='WxH', help="of the frames (default: the network's)")
    parser.add_argument('--frames', type=int, default=50, help='frames to measure (default: 50)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the result there')
    add_detector_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, print and write.

    Raises:
        AnomalySegError: The bundle, the engine, the score or the size cannot be used.
    """
    if args.frames < 1:
        msg = f'received {args.frames} frames, expected at least 1'
        raise EngineError(msg)
    choice = chosen_detector(args)
    card = choice.bundle.card
    size = Size.parse(args.size) if args.size else card.input_size
    engine = choice.load()
    seconds = measure(engine, size, choice.selection, args.frames, choice.cleanup)
    result = {
        **summarise(*seconds),
        'frames': args.frames,
        'size': str(size),
        **choice.summary(),
        'engine': engine.name,
        'device': engine.device,
        'threads': args.threads,
        'cores': len(os.sched_getaffinity(0)),
        'machine': platform.machine(),
        'provenance': provenance(program='anomaly-seg'),
    }
    if args.json:
        write_json(args.json, result)
    output = choice.selection.output
    print(f'{card.name} on {engine.name} ({engine.device}), {size}, {output}:')
    for key in ('engine_ms', 'total_ms', 'outside_share', 'rate_hz'):
        print(f'  {key:<14} p50 {result[key]["p50"]:8.3f}   p95 {result[key]["p95"]:8.3f}')
    engine.close()
    return 0


def measure(
    engine: Engine,
    size: Size,
    selection: Selection,
    frames: int,
    cleanup: CleanupConfig | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run frames from message to messages.

    Each frame begins as a bgr8 image message, which cameras send most, and ends as the payloads
    of labels, score and mask.

    Returns:
        Seconds in the engine and in all, per frame.

    Raises:
        AnomalySegError: The engine fails, or the masks cannot be cleaned so.
    """
    message_class = _message_class()
    # A comparison takes the same time with any threshold.
    threshold = 0.0 if selection.threshold is None else selection.threshold
    cleaner = MaskCleaner(cleanup)
    message = to_message(_picture(size), 'bgr8', image_class=message_class)
    outputs = ('labels', selection.output)
    engine_seconds, seconds = np.zeros(frames), np.zeros(frames)
    for index in tqdm(range(-WARM_UP_FRAMES, frames), unit='frame', desc='bench', leave=False):
        begin = time.perf_counter()
        image = to_rgb(message)
        before = time.perf_counter()
        results = engine.run(image[np.newaxis], outputs)
        after = time.perf_counter()
        labels, scores = results['labels'][0], results[selection.output][0]
        mask = cleaner.clean(scores, threshold, score_range=selection.score_range)
        for data, encoding in (
            (labels, 'mono8'),
            (scores, '32FC1'),
            (mask, 'mono8'),
        ):
            to_message(data, encoding, message.header, message_class)
        end = time.perf_counter()
        if index >= 0:
            engine_seconds[index], seconds[index] = after - before, end - begin
    return engine_seconds, seconds


def summarise(
    engine_seconds: NDArray[np.float64], seconds: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    """Return medians and 95th percentiles; of the rate those that belong to the frame times."""
    total = _percentiles(1e3 * seconds)
    return {
        'engine_ms': _percentiles(1e3 * engine_seconds),
        'total_ms': total,
        'outside_share': _percentiles(1 - engine_seconds / seconds),
        'rate_hz': {key: 1e3 / value for key, value in total.items()},
    }


def _percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    return {'p50': float(np.percentile(values, 50)), 'p95': float(np.percentile(values, 95))}


def _picture(size: Size) -> NDArray[np.uint8]:
    """Return something smooth with noise; engines take the same time for any picture."""
    random = np.random.default_rng(0)
    ramp = np.linspace(0, 200, size.width)[None, :, None] + np.zeros((size.height, 1, 3))
    return (ramp + random.integers(0, 55, (*size.shape, 3))).astype(np.uint8)


def _message_class() -> Any:
    """Return sensor_msgs' image, or the same layout where ROS is not installed."""
    try:
        from sensor_msgs.msg import Image
    except ImportError:
        return PlainImage
    return Image


class PlainImage:
    """What `sensor_msgs/Image` holds, without ROS."""

    def __init__(self, **fields: Any) -> None:
        self.header: Any = None
        self.data = array('B')
        self.__dict__.update(fields)
