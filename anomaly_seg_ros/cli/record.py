# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg record``: images, a video, a bag or a synthetic clip into a bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from anomaly_seg_ros.bags.recording import COMPRESSIONS, record
from anomaly_seg_ros.bags.writer import STORAGES
from anomaly_seg_ros.cli.source_options import add_source_arguments, source_options
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import open_source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'input', help="a video, a folder of images, an image, a bag, or the word 'synthetic'"
    )
    parser.add_argument('--out', type=Path, required=True, help='the bag folder to make')
    parser.add_argument('--storage', choices=tuple(STORAGES), default='mcap')
    parser.add_argument('--size', metavar='WxH', help='resize frames (default: keep their size)')
    parser.add_argument(
        '--compressed', choices=COMPRESSIONS, help='write compressed instead of raw images'
    )
    parser.add_argument(
        '--start', type=float, metavar='SECONDS', help='stamp of the first frame (default: now)'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing bag')
    add_source_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Record.

    Raises:
        AnomalySegError: The input cannot be read or the bag cannot be written.
    """
    size = Size.parse(args.size) if args.size else None
    source = open_source(args.input, source_options(args, size))
    with tqdm(total=source.expected, desc='record', unit='frame') as bar:
        recorded = record(
            source,
            args.out,
            storage=args.storage,
            size=size,
            compression=args.compressed,
            start=args.start,
            overwrite=args.overwrite,
            progress=bar.update,
        )
    truth = [
        f'{count} with {what}'
        for count, what in ((recorded.labels, 'labels'), (recorded.anomaly, 'anomaly masks'))
        if count
    ]
    print(
        f'{args.out}: {recorded.frames} frames of {recorded.size}'
        + (f', {", ".join(truth)}' if truth else ', no ground truth')
    )
    return 0
