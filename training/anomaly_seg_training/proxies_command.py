# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab proxies``: pictures of proxies, before and after, to be looked at."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.options import check_at_least


def add_proxies_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``proxies``."""
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument('--out', type=Path, required=True, help='the picture to write, .png')
    parser.add_argument(
        '--show', choices=('aligners', 'mixers', 'objects'), default='aligners',
        help='objects in a scene by each alignment, pictures by each mixer, or objects alone '
        '(default: %(default)s)',
    )  # fmt: skip
    parser.add_argument('--rows', type=int, default=8, help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument(
        '--annotations', type=Path, metavar='FILE',
        help="a file in the format of COCO's instances (default: that of coco128 in --data)",
    )  # fmt: skip
    parser.add_argument(
        '--images', type=Path, metavar='DIR', help='the photographs that --annotations names'
    )
    parser.add_argument(
        '--adain', type=Path, metavar='FILE', help="weights of the aligner 'adain', to show it too"
    )
    parser.add_argument(
        '--issa', type=Path, metavar='FILE', help="weights of the aligner 'issa', to show it too"
    )
    parser.add_argument(
        '--scenes', type=Path, metavar='DIR',
        help='frames without labels (default: cityscapes_mini/train in --data)',
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.alignment import TRAINED
    from anomaly_seg_training.data import coco
    from anomaly_seg_training.proxies_sheet import SheetSettings, write_sheet

    check_at_least(arguments, rows=1)
    if (arguments.annotations is None) != (arguments.images is None):
        msg = 'received only one of --annotations and --images, expected both or none'
        raise LabError(msg)
    folder = arguments.data / coco.FOLDER
    settings = SheetSettings(
        data=arguments.data,
        annotations=arguments.annotations or folder / 'annotations' / 'instances_train2017.json',
        images=arguments.images or folder / 'images' / 'train2017',
        show=arguments.show,
        rows=arguments.rows,
        seed=arguments.seed,
        weights={n: getattr(arguments, n) for n in TRAINED if getattr(arguments, n) is not None},
        scenes=arguments.scenes,
    )
    print(write_sheet(settings, arguments.out))
