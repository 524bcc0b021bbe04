# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg replay``: bag, detector and evaluator as processes, without launch."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_ros.cli.detector_options import add_detector_arguments, chosen_detector
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.nodes.evaluation import in_words
from anomaly_seg_ros.pipeline import Replay, run_replay
from anomaly_seg_ros.pipeline.progress import ReplayBar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('bag', type=Path, help='a rosbag2 folder, .mcap or .db3 file')
    parser.add_argument(
        '--out', type=Path, default=Path('out/replay'), help='folder for figures and logs'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here too')
    parser.add_argument('--record', action='store_true', help='record the outputs to OUT/output')
    parser.add_argument(
        '--mode',
        choices=('lockstep', 'realtime'),
        default='lockstep',
        help='wait for each answer (default), or keep the recorded pace',
    )
    parser.add_argument('--rate', type=float, default=1.0, help='factor on the recorded pace')
    parser.add_argument('--topic', help='image topic, when the bag has several')
    parser.add_argument('--frames', type=int, metavar='N', help='use at most the first N images')
    add_detector_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Replay and print the figures; return 1 when frames were lost in lock-step.

    Raises:
        AnomalySegError: The bag or the bundle cannot be used, or a node failed.
    """
    choice = chosen_detector(args)
    replay = Replay(
        bag=args.bag,
        results=args.out,
        output_bag=args.out / 'output' if args.record else None,
        mode=args.mode,
        rate=args.rate,
        topic=args.topic,
        frames=args.frames,
        classes=len(choice.bundle.card.classes),
        detector=choice.parameters(),
    )
    with ReplayBar() as bar:
        figures = run_replay(replay, bar.played)
    if args.json:
        write_json(args.json, figures)
    print(in_words(figures))
    for problem in figures['problems']:
        print(f'not evaluated: {problem}')
    print(f'figures: {args.out / "evaluation.json"}')
    return 1 if args.mode == 'lockstep' and figures['lost'] else 0
