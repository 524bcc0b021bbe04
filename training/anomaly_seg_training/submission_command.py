# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab submission``: files for the benchmarks whose ground truth is secret."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size
from anomaly_seg_training import PROGRAM
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.model_arguments import add_checkpoint_arguments, add_engine_arguments

if TYPE_CHECKING:
    from anomaly_seg_training.evaluation import Model
    from anomaly_seg_training.submission import Layout

FORMATS = ('smiyc', 'fishyscapes')
INTERRUPTED = 130
CHECKPOINT_SIZE = Size(1024, 512)
THRESHOLD = 'threshold'


def add_submission(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare ``submission write`` and ``submission evaluate``."""
    parser = commands.add_parser(
        'submission', help='score files for benchmarks whose ground truth is secret'
    )
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    _add_write_arguments(
        kinds.add_parser('write', help='run a bundle over images and write its files')
    )
    _add_evaluate_arguments(
        kinds.add_parser('evaluate', help='figures of such files where labels are public')
    )


def _add_write_arguments(parser: argparse.ArgumentParser) -> None:
    _add_layout(parser)
    parser.add_argument('--images', type=Path, required=True, metavar='DIR', help='the images')
    parser.add_argument(
        '--masks', type=Path, metavar='DIR',
        help='ground truth of some of them, 0, 1 and 255 in FRAME_labels_semantic.png, '
        'FRAME_labels.png or FRAME.png (default: labels_masks beside the images, if it is there)',
    )  # fmt: skip
    model = parser.add_argument_group('what computes the scores')
    model.add_argument('--bundle', help="a bundle's folder, default or synboost")
    add_checkpoint_arguments(
        model, 'instead: weights of a network that takes RGB / 255, run at --network-size'
    )
    model.add_argument('--score', default='', help="default: the bundle's")
    model.add_argument('--refinement', default='', help="default: the bundle's")
    model.add_argument('--fusion', type=Path, metavar='FILE', help='offers the score fused')
    model.add_argument('--flip', action='store_true', help='mean with the mirrored image')
    add_engine_arguments(model)
    model.add_argument('--network-size', metavar='WxH', help='with --engine torch')
    parser.add_argument(
        '--centre', default='0', metavar='NUMBER',
        help='taken off all scores before they become float16, which is finest near 0; '
        f"{THRESHOLD}: the bundle's threshold (default: %(default)s)",
    )  # fmt: skip
    parser.set_defaults(run=_write)


def _add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    _add_layout(parser)
    parser.add_argument(
        '--benchmark', required=True, metavar='NAME',
        help='data set with ground truth, see `anomaly-seg-lab info`',
    )  # fmt: skip
    parser.add_argument('--root', type=Path, required=True, help="the data set's folder")
    parser.add_argument('--sets', metavar='A,B', help='sets of it (default: its usual ones)')
    parser.add_argument('--protocol', help='default: that by which each set is published')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')
    parser.set_defaults(run=_evaluate)


def _add_layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--format', choices=FORMATS, required=True)
    parser.add_argument(
        '--out', type=Path, required=True, metavar='DIR',
        help='smiyc: DIR/anomaly_p/METHOD/SET/FRAME.hdf5; fishyscapes: DIR/FRAME_anomaly.npy',
    )  # fmt: skip
    parser.add_argument('--method', required=True, metavar='NAME', help='what it is called')
    parser.add_argument(
        '--set', metavar='NAME',
        help='of smiyc: AnomalyTrack-all, ObstacleTrack-all, LostAndFound-train or -test',
    )  # fmt: skip


def _layout(arguments: argparse.Namespace) -> Layout:
    from anomaly_seg_training.submission import Fishyscapes, Smiyc

    if arguments.format == 'smiyc':
        if arguments.set is None:
            msg = 'received --format smiyc without --set, expected both'
            raise LabError(msg)
        return Smiyc(arguments.out, arguments.method, arguments.set)
    if arguments.set is not None:
        msg = f'received --set {arguments.set} for fishyscapes, which has one set, expected none'
        raise LabError(msg)
    return Fishyscapes(arguments.out, arguments.method)


def _write(arguments: argparse.Namespace) -> None:
    layout = _layout(arguments)
    if not layout.half and arguments.centre != '0':
        msg = f'received --centre for {layout.format}, whose scores are not float16, expected none'
        raise LabError(msg)
    images = layout.frames(arguments.images)

    from anomaly_seg_training.submission import SMIYC_SETS, Submission
    from anomaly_seg_training.submission.masks import find_masks

    masks = find_masks(arguments.images, arguments.masks, images)
    expected = SMIYC_SETS[layout.dataset].images if layout.format == 'smiyc' else None
    if expected not in (None, len(images)):
        _warn(f'{arguments.images} has {len(images)} images, {layout.dataset} {expected}')
    with tempfile.TemporaryDirectory(prefix='anomaly-seg-lab-') as place:
        model = _model(arguments, Path(place))
    try:
        centre = _centre(arguments.centre, model)
        submission = Submission(layout, arguments.out, images, masks, model, centre)
        content = submission.write()
    except KeyboardInterrupt:
        print('\nstopped: the same command continues', file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    finally:
        model.engine.close()
    for warning in content['warnings']:
        _warn(warning)
    print(f'{layout.folder}: {content["images"]} images')
    if (figures := content.get('figures')) is not None:
        for kind in ('exact', 'stored'):
            if kind in figures:
                print(f'{kind:<7} {_percent(figures[kind])} on {figures["images"]} with masks')


def _evaluate(arguments: argparse.Namespace) -> None:
    layout = _layout(arguments)

    from anomaly_seg_training.benchmark import PROTOCOLS, open_benchmark
    from anomaly_seg_training.evaluation.sources import choose
    from anomaly_seg_training.submission import evaluate_submission

    if arguments.protocol is not None:
        PROTOCOLS.get(arguments.protocol)
    sets = open_benchmark(arguments.benchmark, arguments.root)
    names = None if arguments.sets is None else arguments.sets.split(',')
    rows = evaluate_submission(layout, choose(sets, names, arguments.root), arguments.protocol)
    if arguments.json is not None:
        origin = provenance(program=PROGRAM)
        write_json(arguments.json, {'submission': rows, 'provenance': origin})
    for row in rows:
        print(f'{row["set"]}, {row["protocol"]}: {_percent(row)}, {row["images"]} images')


def _model(arguments: argparse.Namespace, place: Path) -> Model:
    from anomaly_seg_ros.bundle import Bundle
    from anomaly_seg_ros.cli.export import parse_options
    from anomaly_seg_training.evaluation import ModelOptions, load_model
    from anomaly_seg_training.evaluation.checkpoint import checkpoint_bundle

    if (arguments.bundle is None) == (arguments.checkpoint is None):
        msg = 'received none or both of --bundle and --checkpoint, expected one of them'
        raise LabError(msg)
    size = None if arguments.network_size is None else Size.parse(arguments.network_size)
    bundle = arguments.bundle
    if bundle is None:
        bundle = str(
            checkpoint_bundle(
                arguments.checkpoint, arguments.segmenter, parse_options(arguments.option),
                size or CHECKPOINT_SIZE, place,
            )
        )  # fmt: skip
    card = Bundle.open(bundle).card
    options = ModelOptions(
        scores=(arguments.score or card.score,),
        refinements=(arguments.refinement or card.refinement,),
        engine=arguments.engine,
        device=arguments.device,
        threads=arguments.threads,
        network_size=size,
        flip=arguments.flip,
        fusion=arguments.fusion,
    )
    return load_model(bundle, options)


def _centre(text: str, model: Model) -> float:
    from anomaly_seg_ros.selection import select

    if text == THRESHOLD:
        ((score, refinement),) = model.outputs.values()
        threshold = select(model.engine.card, score, refinement).threshold
        if threshold is None:
            msg = f'{model.name} has no threshold for {score}: give --centre a number'
            raise LabError(msg)
        return threshold
    try:
        centre = float(text)
    except ValueError:
        centre = float('nan')
    if not abs(centre) < float('inf'):
        msg = f'received --centre {text!r}, expected a number or {THRESHOLD}'
        raise LabError(msg)
    return centre


def _percent(figures: dict[str, float | None]) -> str:
    texts = []
    for key, title in (('auroc', 'AUROC'), ('ap', 'AP'), ('fpr95', 'FPR95')):
        value = figures[key]
        texts.append(f'{title} ' + ('-' if value is None else f'{100 * value:.2f}'))
    return ', '.join(texts)


def _warn(text: str) -> None:
    print(f'anomaly-seg-lab: warning: {text}', file=sys.stderr)
