# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How commands are told which network runs, and on what: the same words in all of them."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_checkpoint_arguments(group: argparse._ArgumentGroup, text: str) -> None:
    """Add ``--checkpoint``, with `text` as its help, ``--segmenter`` and ``--option``."""
    group.add_argument('--checkpoint', type=Path, metavar='FILE', help=text)
    group.add_argument('--segmenter', default='erfnet', help='of --checkpoint: %(default)s')
    group.add_argument(
        '--option', action='append', default=[], metavar='KEY=VALUE',
        help='of --segmenter; may be repeated',
    )  # fmt: skip


def add_measuring_arguments(parser: argparse.ArgumentParser, engine: bool = True) -> None:
    """Add ``--data``, ``--out``, ``--threads`` and, unless there is but one, ``--engine``."""
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--out', type=Path, required=True, help='the .json file; a table .md is written beside it'
    )
    if engine:
        parser.add_argument('--engine', default='onnxruntime', help='default: %(default)s')
    parser.add_argument('--threads', type=int, default=0, help='0: all cores')


def add_engine_arguments(group: argparse._ArgumentGroup) -> None:
    """Add ``--engine``, ``--device`` and ``--threads``."""
    group.add_argument('--engine', default='auto', help='default: %(default)s')
    group.add_argument('--device', default='auto', help='auto, cpu or cuda (default: auto)')
    group.add_argument('--threads', type=int, default=0, help='0: all cores')
