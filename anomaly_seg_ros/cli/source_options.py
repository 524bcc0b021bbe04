# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments that say which frames to read, shared by the commands that read frames."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import SourceOptions


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--frames``, ``--fps``, ``--labels`` and their like."""
    group = parser.add_argument_group('which frames')
    group.add_argument('--frames', type=int, metavar='N', help='use at most the first N frames')
    group.add_argument('--fps', type=float, help="frames per second (default: the input's own)")
    group.add_argument('--topic', help='image topic of a bag that has several')
    group.add_argument(
        '--labels',
        type=Path,
        metavar='DIR',
        help='label images (Cityscapes train ids, 255 ignored)',
    )
    group.add_argument(
        '--anomaly',
        type=Path,
        metavar='DIR',
        help='anomaly masks (0 normal, 1 anomaly, 255 ignored)',
    )
    group.add_argument(
        '--anomaly-value',
        type=int,
        default=1,
        metavar='V',
        help='the value that means anomaly in the masks (default: 1; RoadAnomaly uses 2)',
    )
    group.add_argument('--seed', type=int, default=0, help='seed of a synthetic clip (default: 0)')


def source_options(args: argparse.Namespace, size: Size | None = None) -> SourceOptions:
    """Return the options that a user gave.

    Raises:
        SourceError: A value lies outside its range.
    """
    return SourceOptions(
        labels=args.labels,
        anomaly=args.anomaly,
        anomaly_value=args.anomaly_value,
        fps=args.fps,
        frames=args.frames,
        topic=args.topic,
        size=size,
        seed=args.seed,
    )
