# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab tables pooling``."""

from __future__ import annotations

import argparse

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.model_arguments import add_measuring_arguments

OUTPUTS = 'energy,max_logit+sml+suppress+smooth'


def add_pooling_table(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``pooling`` to the parsers of ``tables``."""
    parser = kinds.add_parser(
        'pooling', help='how sharp a second stream should be, on data to tune on, without training'
    )
    parser.add_argument(
        '--bundle', action='append', required=True, help='a bundle; given once for each seed'
    )
    parser.add_argument(
        '--sharpnesses', default='0,0.5,1,2', metavar='A,B', help='default: %(default)s'
    )
    parser.add_argument(
        '--outputs', default=OUTPUTS, metavar='A,B', help='scores, refined or not: %(default)s'
    )
    parser.add_argument('--images', type=int, help='of each set at most so many, to try it out')
    add_measuring_arguments(parser, engine=False)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.pooling_table import compare, markdown
    from anomaly_seg_training.stored_tables import write_table

    try:
        sharpnesses = [float(word) for word in arguments.sharpnesses.split(',')]
    except ValueError as error:
        text = arguments.sharpnesses
        msg = f'received --sharpnesses {text!r}, expected numbers from 0, joined by commas'
        raise LabError(msg) from error
    content = compare(
        arguments.bundle,
        arguments.data,
        sharpnesses=sharpnesses,
        outputs=arguments.outputs.split(','),
        images=arguments.images,
        threads=arguments.threads,
    )
    print(write_table(arguments.out, content, markdown))
