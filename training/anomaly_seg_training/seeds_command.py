# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab measure seeds``."""

from __future__ import annotations

import argparse
from pathlib import Path

OUTPUTS = 'max_softmax,entropy,max_logit,energy,max_min,max_logit+sml+suppress+smooth+vde'


def add_measure_seeds(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``measure seeds``."""
    parser.add_argument('--start', required=True, help='bundle of the segmenter before training')
    parser.add_argument(
        '--bundle', action='append', required=True, help='a bundle; given once for each seed'
    )
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--outputs', default=OUTPUTS, metavar='A,B', help='scores, refined or not: %(default)s'
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='the .json file; a table .md is written beside it'
    )
    parser.add_argument('--engine', default='onnxruntime', help='default: %(default)s')
    parser.add_argument('--threads', type=int, default=0, help='0: all cores')
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_ros.files import write_json, write_text
    from anomaly_seg_training.seeds import markdown, measure_seeds

    content = measure_seeds(
        arguments.start, arguments.bundle, arguments.data, arguments.outputs.split(','),
        arguments.engine, arguments.threads,
    )  # fmt: skip
    write_json(arguments.out, content)
    text = markdown(content)
    write_text(arguments.out.with_suffix('.md'), text)
    print(text)
