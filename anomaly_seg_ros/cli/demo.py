# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg demo``: the whole chain on a synthetic clip or on the user's own input."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_ros.cli.detector_options import add_detector_arguments, chosen_detector
from anomaly_seg_ros.cli.source_options import add_source_arguments, source_options
from anomaly_seg_ros.demo import Demo, run_demo
from anomaly_seg_ros.nodes.evaluation import in_words
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources.choose import SYNTHETIC


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'input',
        nargs='?',
        default=SYNTHETIC,
        help='a video, a folder of images or a bag (default: a synthetic clip)',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('out/demo'), help='folder for the results'
    )
    parser.add_argument('--size', metavar='WxH', help='resize frames (default: keep their size)')
    add_source_arguments(parser)
    add_detector_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the demo and say where to look; return 1 when a frame was lost.

    Raises:
        AnomalySegError: The input or the bundle cannot be used, or a node failed.
    """
    choice = chosen_detector(args)
    size = Size.parse(args.size) if args.size else None
    demo = Demo(
        input=args.input or SYNTHETIC,
        out=args.out,
        card=choice.bundle.card,
        selection=choice.selection,
        detector=choice.parameters(),
        options=source_options(args),
        size=size,
    )
    summary = run_demo(demo)
    print(in_words(summary))
    print()
    for name, what in (
        ('overlay.mp4', 'classes and anomalies over the camera images'),
        ('contact_sheet.png', 'a few moments: camera, overlay, score, mask'),
        ('summary.json', 'the figures'),
        ('output', 'the bag of all outputs'),
    ):
        print(f'{args.out / name}  {what}')
    return 1 if summary['lost'] else 0
