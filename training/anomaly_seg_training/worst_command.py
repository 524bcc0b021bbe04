# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab worst``: scores before and after fine-tuning where they were worst."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_training.options import check_at_least


def add_worst_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``worst``."""
    parser.add_argument(
        '--run', dest='folder', type=Path, required=True, metavar='DIR',
        help='--out of train finetune',
    )  # fmt: skip
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument('--bundle', help='with which it began, or default')
    start.add_argument('--checkpoint', type=Path, metavar='FILE', help='with which it began')
    parser.add_argument('--dataset', metavar='NAME', required=True, help='see `info`')
    parser.add_argument(
        '--root', type=Path, metavar='DIR', required=True, help="the data set's folder"
    )
    parser.add_argument('--set', dest='part', metavar='NAME', help='default: its first')
    parser.add_argument('--score', default='max_logit', help='default: %(default)s')
    parser.add_argument('--count', type=int, default=5, help='images (default: %(default)s)')
    parser.add_argument(
        '--size', default='1024x512', help='of images and network (default: %(default)s)'
    )
    parser.add_argument(
        '--width', type=int, default=480, help='of each picture (default: %(default)s)'
    )
    parser.add_argument('--out', type=Path, required=True, help='the picture to write, .png')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda (default: auto)')
    parser.add_argument('--threads', type=int, default=0, help="CPU threads (0: torch's own)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_ros.scores import SCORES
    from anomaly_seg_ros.size import Size
    from anomaly_seg_training.evaluation import benchmark_sets
    from anomaly_seg_training.finetune.finetuning import FinetuneRun
    from anomaly_seg_training.finetune.worst import draw_page, load_both, worst_images
    from anomaly_seg_training.pages import check_name, save_page

    check_at_least(arguments, count=1, width=64)
    check_name(arguments.out)
    SCORES.get(arguments.score)
    size = Size.parse(arguments.size)
    names = None if arguments.part is None else [arguments.part]
    found = benchmark_sets(arguments.dataset, arguments.root, names)[0]
    found.check()
    run = FinetuneRun(
        data=arguments.root,
        out=arguments.folder,
        threads=arguments.threads,
        start_bundle=arguments.bundle,
        start_checkpoint=arguments.checkpoint,
    )
    run.limit_threads()
    before, after = load_both(run, size, arguments.device)
    worst = worst_images(found, before, arguments.score, size, arguments.count)
    page = draw_page(worst, after, arguments.score, arguments.width)
    before.close()
    after.close()
    print(save_page(page, arguments.out))
