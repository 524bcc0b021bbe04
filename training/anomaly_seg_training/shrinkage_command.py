# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab tables shrinkage``."""

from __future__ import annotations

import argparse

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.model_arguments import add_measuring_arguments

_SHARES = '0,0.25,0.5,0.75,1'


def add_shrinkage_table(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``shrinkage`` to the parsers of ``tables``."""
    parser = kinds.add_parser(
        'shrinkage', help='how far to draw class statistics together, on data to tune on'
    )
    parser.add_argument(
        '--bundle', action='append', required=True, help='a bundle; given once for each seed'
    )
    parser.add_argument('--score', default='max_logit', help='default: %(default)s')
    parser.add_argument('--refinement', default='sml+suppress+smooth', help='default: %(default)s')
    for name, what in (('--means', 'means'), ('--stds', 'standard deviations')):
        parser.add_argument(
            name, default=_SHARES, metavar='A,B', help=f'shrinkages of {what} (default: {_SHARES})'
        )
    parser.add_argument(
        '--roads', action='store_true', help='measure on roads alone, as Lost and Found does'
    )
    parser.add_argument('--images', type=int, help='of each set at most so many, to try it out')
    add_measuring_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.shrinkage_table import compare, markdown
    from anomaly_seg_training.stored_tables import write_table
    from anomaly_seg_training.tuning_sets import ROAD_SETS, TUNING_SETS

    content = compare(
        arguments.bundle,
        arguments.data,
        score=arguments.score,
        refinement=arguments.refinement,
        means=_numbers('--means', arguments.means),
        stds=_numbers('--stds', arguments.stds),
        sets=ROAD_SETS if arguments.roads else TUNING_SETS,
        images=arguments.images,
        engine=arguments.engine,
        threads=arguments.threads,
    )
    print(write_table(arguments.out, content, markdown))


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(',')]
    except ValueError as error:
        msg = f'received {name} {text!r}, expected numbers from 0 to 1, joined by commas'
        raise LabError(msg) from error
