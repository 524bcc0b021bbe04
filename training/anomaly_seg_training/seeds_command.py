# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab measure seeds``."""

from __future__ import annotations

import argparse

from anomaly_seg_training.model_arguments import add_measuring_arguments

OUTPUTS = 'max_softmax,entropy,max_logit,energy,max_min,max_logit+sml+suppress+smooth+vde'


def add_measure_seeds(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``measure seeds``."""
    parser.add_argument('--start', required=True, help='bundle of the segmenter before training')
    parser.add_argument(
        '--bundle', action='append', required=True, help='a bundle; given once for each seed'
    )
    parser.add_argument(
        '--outputs', default=OUTPUTS, metavar='A,B', help='scores, refined or not: %(default)s'
    )
    add_measuring_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.seeds import markdown, measure_seeds
    from anomaly_seg_training.stored_tables import write_table

    content = measure_seeds(
        arguments.start, arguments.bundle, arguments.data, arguments.outputs.split(','),
        arguments.engine, arguments.threads,
    )  # fmt: skip
    print(write_table(arguments.out, content, markdown))
