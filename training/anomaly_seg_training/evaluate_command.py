# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab evaluate``: bundles on data sets or bags, by a named protocol."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size
from anomaly_seg_training import PROGRAM
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.model_arguments import add_checkpoint_arguments, add_engine_arguments

NATIVE = 'native'
INTERRUPTED = 130
CHECKPOINT_SIZE = Size(1024, 512)


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    what = parser.add_argument_group('what is measured on: a data set, or bags')
    what.add_argument('--dataset', metavar='NAME', help='see `anomaly-seg-lab info`')
    what.add_argument('--root', type=Path, metavar='DIR', help="the data set's folder")
    what.add_argument('--sets', metavar='A,B', help='sets of it (default: its usual ones)')
    what.add_argument(
        '--bag', type=Path, action='append', default=[], metavar='BAG',
        help='a bag with ground truth, at full speed and without ROS; may be repeated',
    )  # fmt: skip
    what.add_argument('--topic', help='image topic, when a bag has several')
    model = parser.add_argument_group('what is measured')
    model.add_argument(
        '--bundle', action='append', default=[],
        help="a bundle's folder, default or synboost; may be repeated",
    )  # fmt: skip
    add_checkpoint_arguments(
        model, 'weights of a network that takes RGB / 255, run by torch at --network-size'
    )
    model.add_argument('--scores', metavar='A,B', default='all', help='default: %(default)s')
    model.add_argument(
        '--refinements', metavar='A,B', default='none',
        help='of every score, or all that a bundle can run (default: %(default)s)',
    )  # fmt: skip
    model.add_argument('--fusion', type=Path, metavar='FILE', help='offers the score fused')
    model.add_argument('--flip', action='store_true', help='mean with the mirrored image')
    model.add_argument(
        '--zooms', metavar='A,B', default='1', help='mean over zooms, 1 to 4 (default: 1)'
    )
    add_engine_arguments(model)
    how = parser.add_argument_group('how')
    how.add_argument(
        '--protocol', metavar='NAME', help='default: that by which each set is published'
    )
    how.add_argument(
        '--size', default=NATIVE, metavar='WxH',
        help='images and ground truth are resized to it first (default: their own); the network '
        "runs at its bundle's size all the same",
    )  # fmt: skip
    how.add_argument(
        '--network-size', metavar='WxH',
        help='the network runs at this size instead, with --engine torch (--checkpoint: 1024x512)',
    )  # fmt: skip
    out = parser.add_argument_group('results')
    out.add_argument('--json', type=Path, required=True, metavar='FILE', help='the results')
    out.add_argument(
        '--curves', type=int, default=0, metavar='POINTS', help='add ROC and PR curves'
    )
    out.add_argument('--per-image', action='store_true', help='add the figures of each image')
    out.add_argument(
        '--work', type=Path, metavar='DIR',
        help='where a killed run continues, some GB (default: that of --json, .work for .json)',
    )  # fmt: skip
    out.add_argument('--keep-work', action='store_true', help='keep it after the end')
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # Before torch, which takes seconds: names and sizes.
    from anomaly_seg_training.benchmark import PROTOCOLS

    _check(arguments)
    if arguments.protocol is not None:
        PROTOCOLS.get(arguments.protocol)
    size = None if arguments.size == NATIVE else Size.parse(arguments.size)
    network_size = None if arguments.network_size is None else Size.parse(arguments.network_size)
    zooms = _numbers(arguments.zooms)

    import cv2

    from anomaly_seg_training.evaluation import (
        Evaluation,
        EvaluationConfig,
        ModelOptions,
        bag_set,
        benchmark_sets,
    )
    from anomaly_seg_training.evaluation.models import load_models
    from anomaly_seg_training.evaluation.results import table

    if arguments.threads > 0:
        cv2.setNumThreads(arguments.threads)
    sets = [bag_set(bag, arguments.topic) for bag in arguments.bag]
    if arguments.dataset is not None:
        sets += benchmark_sets(arguments.dataset, arguments.root, _names(arguments.sets))
    options = ModelOptions(
        scores=_all_or(arguments.scores),
        refinements=_all_or(arguments.refinements),
        engine=arguments.engine,
        device=arguments.device,
        threads=arguments.threads,
        network_size=network_size,
        flip=arguments.flip,
        zooms=zooms,
        fusion=arguments.fusion,
    )
    with tempfile.TemporaryDirectory(prefix='anomaly-seg-lab-') as place:
        bundles = list(arguments.bundle)
        if arguments.checkpoint is not None:
            bundles.append(_of_checkpoint(arguments, network_size, Path(place)))
        models = load_models(bundles, options)
    config = EvaluationConfig(arguments.protocol, size, arguments.curves, arguments.per_image)
    work = arguments.work or arguments.json.with_suffix('.work')
    evaluation = Evaluation(sets, models, config, work)
    try:
        content = evaluation.run()
    except AnomalySegError:
        if not evaluation.resumed + evaluation.computed:
            evaluation.remove()
        raise
    except KeyboardInterrupt:
        count = evaluation.resumed + evaluation.computed
        print(f'\nstopped after {count} images: the same command continues', file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    finally:
        for model in models:
            model.engine.close()
    origin = provenance(program=PROGRAM)
    try:
        source = {'dataset': arguments.dataset, 'command': origin['command']}
        write_json(arguments.json, {**content, **source, 'provenance': origin})
    except OSError as error:
        msg = f'cannot write {arguments.json}: {error.strerror or error}'
        raise LabError(msg) from error
    if not arguments.keep_work:
        evaluation.remove()
    print(table(content))


def _of_checkpoint(arguments: argparse.Namespace, size: Size | None, place: Path) -> str:
    from anomaly_seg_ros.cli.export import parse_options
    from anomaly_seg_training.evaluation.checkpoint import checkpoint_bundle

    network = parse_options(arguments.option)
    return str(
        checkpoint_bundle(
            arguments.checkpoint, arguments.segmenter, network, size or CHECKPOINT_SIZE, place
        )
    )


def _check(arguments: argparse.Namespace) -> None:
    if (arguments.dataset is None) != (arguments.root is None):
        msg = 'received one of --dataset and --root, expected both'
        raise LabError(msg)
    if arguments.dataset is None and not arguments.bag:
        msg = 'received nothing to measure on, expected --dataset with --root, or --bag'
        raise LabError(msg)
    if not arguments.bundle and arguments.checkpoint is None:
        msg = 'received no model, expected --bundle or --checkpoint'
        raise LabError(msg)
    if arguments.curves and arguments.curves < 4:
        msg = f'received --curves {arguments.curves}, expected 0 for none or at least 4 points'
        raise LabError(msg)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(dict.fromkeys(text.split(',')))


def _all_or(text: str) -> tuple[str, ...] | None:
    from anomaly_seg_training.evaluation.models import ALL

    return None if text == ALL else _names(text)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(','))
    except ValueError as error:
        msg = f'received --zooms {text!r}, expected numbers from 1 to 4 with commas between them'
        raise LabError(msg) from error
