# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab stages``: what SynBoost draws, doubts and finds."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_training.options import check_at_least


def add_stages_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``stages``."""
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument('--bundle', help='a bundle of SynBoost, with weights')
    origin.add_argument(
        '--run', dest='folder', type=Path, metavar='DIR', help='--out of train dissimilarity'
    )
    parser.add_argument(
        '--input', required=True,
        help='a folder of images, an image, a video, a bag, or synthetic',
    )  # fmt: skip
    parser.add_argument(
        '--count', type=int, default=10, help='frames, from all over it (default: %(default)s)'
    )
    parser.add_argument(
        '--width', type=int, default=384, help='of each picture (default: %(default)s)'
    )
    parser.add_argument('--out', type=Path, required=True, help='the picture to write, .png')
    parser.add_argument(
        '--anomaly-value', type=int, default=1, metavar='V',
        help='the value that means anomaly in masks beside the images (default: 1; RoadAnomaly '
        'uses 2)',
    )  # fmt: skip
    parser.add_argument('--threads', type=int, default=0, help="CPU threads (0: torch's own)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    import torch

    from anomaly_seg_ros.sources import SourceOptions, open_source
    from anomaly_seg_training.pages import check_name, save_page
    from anomaly_seg_training.synboost.dissimilarity_run import read_detector
    from anomaly_seg_training.synboost.stages import draw_stages, open_detector

    check_at_least(arguments, count=1, width=64)
    check_name(arguments.out)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    options = SourceOptions(anomaly_value=arguments.anomaly_value)
    source = open_source(arguments.input, options)
    if arguments.folder is not None:
        detector = read_detector(arguments.folder)[0]
    else:
        detector = open_detector(arguments.bundle)
    page = draw_stages(detector, source, arguments.count, arguments.width)
    print(save_page(page, arguments.out))
