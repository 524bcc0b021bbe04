# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab tables pooling``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.model_arguments import add_measuring_arguments

OUTPUTS = 'energy,max_logit+sml+suppress+smooth'
Number = TypeVar('Number', int, float)


def add_pooling_table(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``pooling`` to the parsers of ``tables``."""
    parser = kinds.add_parser(
        'pooling', help='how a second stream should pool its octaves, on data to tune on'
    )
    parser.add_argument(
        '--bundle', action='append', required=True, help='a bundle; given once for each seed'
    )
    parser.add_argument(
        '--octaves', metavar='A,B', help='in how many it sees the picture (default: as it does)'
    )
    parser.add_argument(
        '--sharpnesses', default='0,0.5,1,2', metavar='A,B', help='default: %(default)s'
    )
    parser.add_argument('--mirrored', action='store_true', help='each also with mirrored pictures')
    parser.add_argument(
        '--outputs', default=OUTPUTS, metavar='A,B', help='scores, refined or not: %(default)s'
    )
    parser.add_argument('--images', type=int, help='of each set at most so many, to try it out')
    add_measuring_arguments(parser, engine=False)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.pooling_table import compare, markdown
    from anomaly_seg_training.stored_tables import write_table

    content = compare(
        arguments.bundle,
        arguments.data,
        octaves=_numbers('--octaves', arguments.octaves, int) if arguments.octaves else (),
        sharpnesses=_numbers('--sharpnesses', arguments.sharpnesses, float),
        mirrored=arguments.mirrored,
        outputs=arguments.outputs.split(','),
        images=arguments.images,
        threads=arguments.threads,
    )
    print(write_table(arguments.out, content, markdown))


def _numbers(option: str, text: str, kind: Callable[[str], Number]) -> list[Number]:
    try:
        return [kind(word) for word in text.split(',')]
    except ValueError as error:
        msg = f'received {option} {text!r}, expected numbers joined by commas'
        raise LabError(msg) from error
