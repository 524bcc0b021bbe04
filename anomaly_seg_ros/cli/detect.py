# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg detect``: images, a video or a bag to files, without ROS."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from anomaly_seg_ros import __version__
from anomaly_seg_ros.cli.detector_options import add_detector_arguments, chosen_detector
from anomaly_seg_ros.cli.source_options import add_source_arguments, source_options
from anomaly_seg_ros.detection import RESULTS, Detection, DetectionError
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.sources import open_source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'input', help="an image, a folder of images, a video, a bag, or the word 'synthetic'"
    )
    parser.add_argument('--out', type=Path, default=Path('out/detect'), help='folder to write to')
    parser.add_argument(
        '--results',
        default='labels,score,mask,overlay',
        metavar='A,B',
        help=f'what to write, of {", ".join(RESULTS)} (default: all but the video)',
    )
    add_source_arguments(parser)
    add_detector_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Detect.

    Raises:
        AnomalySegError: The input or the bundle cannot be used, or a file cannot be written.
    """
    results = tuple(args.results.split(','))
    for name in results:
        if name not in RESULTS:
            msg = f'received the result {name!r}, expected some of: {", ".join(RESULTS)}'
            raise DetectionError(msg)
    choice = chosen_detector(args)
    source = open_source(args.input, source_options(args))
    engine = choice.load()
    detection = Detection(engine, args.out, choice.selection, choice.cleanup, results)
    begin = time.perf_counter()
    with tqdm(total=source.expected, desc='detect', unit='frame') as bar:
        detection.run(source, bar.update)
    summary = {
        'input': str(args.input),
        **choice.summary(),
        'engine': engine.name,
        'device': engine.device,
        'seconds': time.perf_counter() - begin,
        'version': __version__,
        **detection.summary(),
    }
    write_json(args.out / 'summary.json', summary)
    print('\n'.join(_in_words(args.out, summary, results)))
    return 0


def _in_words(out: Path, summary: dict[str, Any], results: tuple[str, ...]) -> list[str]:
    count, seconds = len(summary['frames']), summary['seconds']
    lines = [f'{out}: {count} frames in {seconds:.1f} s']
    lines += [
        f'  {words:<6} {100 * summary[key]:6.2f} %'
        for key, words in (('auroc', 'AUROC'), ('ap', 'AP'), ('fpr95', 'FPR95'), ('miou', 'mIoU'))
        if summary[key] is not None
    ]
    if summary['threshold'] is None and 'mask' in results:
        lines.append('  no mask: the bundle has no threshold for this score: pass --threshold')
    return lines
