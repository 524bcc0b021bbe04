# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg export``: from a network's weights to a bundle."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from anomaly_seg_ros.bundle import (
    Card,
    GraphFile,
    Preprocessing,
    SegmenterSpec,
    Threshold,
    WeightsFile,
    write_bundle,
)
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.refinement import NONE, REFINEMENTS_DEFAULT, parse_refinement
from anomaly_seg_ros.size import Size

CLASS_SETS = {'cityscapes': CITYSCAPES}


class OptionError(AnomalySegError):
    """An option of the command line cannot be used."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('--segmenter', required=True, help='name of the network, such as erfnet')
    parser.add_argument('--weights', type=Path, required=True, help='.safetensors or .pth file')
    parser.add_argument('--out', type=Path, required=True, help='the bundle folder to make')
    parser.add_argument('--classes', choices=tuple(CLASS_SETS), default='cityscapes')
    parser.add_argument('--size', default='1024x512', metavar='WxH', help='size of the network')
    parser.add_argument(
        '--scores', default='all', metavar='A,B', help='scores to offer (default: all)'
    )
    parser.add_argument('--score', default='max_logit', help='the score used by default')
    parser.add_argument(
        '--refinements',
        default=','.join(REFINEMENTS_DEFAULT),
        metavar='A,B',
        help='refinements to offer of every score (default: %(default)s)',
    )
    parser.add_argument(
        '--option',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='option of the network; may be repeated',
    )
    for name, default in (('--mean', 0.0), ('--std', 1.0)):
        parser.add_argument(
            name,
            nargs=3,
            type=float,
            default=(default,) * 3,
            metavar=('R', 'G', 'B'),
            help=f'of RGB in [0, 1] (default: {default:g})',
        )
    parser.add_argument('--threshold', type=float, help='scores above it are anomalous')
    parser.add_argument(
        '--score-range', nargs=2, type=float, metavar=('LOW', 'HIGH'), help='for display'
    )
    parser.add_argument('--name', help='name of the bundle (default: that of the folder)')
    parser.add_argument('--description', help='what the bundle is')
    parser.add_argument('--licence', default='unknown', help='licence of the weights')
    parser.add_argument(
        '--no-graph', action='store_true', help='write weights only, for the engine torch'
    )


def run(args: argparse.Namespace) -> int:
    """Export.

    Raises:
        AnomalySegError: An option, the weights or the network cannot be used.
    """
    from anomaly_seg_ros.detector import Detector, export
    from anomaly_seg_ros.models import create_segmenter, load_weights
    from anomaly_seg_ros.scores import SCORES

    classes = CLASS_SETS[args.classes]
    size = Size.parse(args.size)
    options = parse_options(args.option)
    scores = tuple(SCORES) if args.scores == 'all' else tuple(args.scores.split(','))
    if args.score not in scores:
        msg = f'received the score {args.score!r}, expected one of: {", ".join(scores)}'
        raise OptionError(msg)
    try:
        preprocessing = Preprocessing(tuple(args.mean), tuple(args.std))
        segmenter = create_segmenter(
            args.segmenter, **{'num_classes': len(classes), **options}
        ).eval()
        load_weights(segmenter, args.weights)
        refinements = _refinements(args.refinements)
        detector = Detector(segmenter, preprocessing, size, scores, refinements, classes.drivable)
    except (KeyError, ValueError) as error:
        raise OptionError(str(error.args[0])) from error
    _check_classes(detector, len(classes))
    card = Card(
        name=args.name or args.out.name,
        description=args.description or f'{args.segmenter} with the weights {args.weights.name}',
        segmenter=SegmenterSpec(args.segmenter, options),
        classes=classes,
        preprocessing=preprocessing,
        input_size=size,
        scores=scores,
        score=args.score,
        refinements=refinements,
        graph=None if args.no_graph else GraphFile(),
        weights=WeightsFile(),
        threshold=None if args.threshold is None else Threshold(args.threshold, 'set by hand'),
        score_range=tuple(args.score_range) if args.score_range else None,
        licence={'weights': args.licence},
    )
    with tempfile.TemporaryDirectory(prefix='anomaly-seg-') as place:
        files = {'weights.safetensors': _save(segmenter, Path(place))}
        if not args.no_graph:
            print('exporting the graph and comparing it with PyTorch ...')
            files['detector.onnx'] = Path(place, 'detector.onnx')
            export(detector, files['detector.onnx'])
        bundle = write_bundle(args.out, card, files)
    total = sum((bundle.path / name).stat().st_size for name in bundle.card.hashes)
    print(f'{bundle.path}: {card.segmenter.name} at {size}, {total / 1e6:.1f} MB')
    return 0


def _refinements(text: str) -> tuple[str, ...]:
    """Read a list of refinements; unrefined scores are always offered.

    Raises:
        RefinementError: One is unknown.
    """
    names = dict.fromkeys((NONE, *text.split(',')))
    for name in names:
        parse_refinement(name)
    return tuple(names)


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` options; values are YAML scalars or lists.

    Raises:
        OptionError: A text has another form.
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition('=')
        if not equals or not key.isidentifier():
            msg = f'received --option {text!r}, expected KEY=VALUE, for example num_classes=20'
            raise OptionError(msg)
        try:
            options[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            msg = f'received --option {text!r}, whose value cannot be read: quote it'
            raise OptionError(msg) from error
    return options


def _check_classes(detector: Any, expected: int) -> None:
    """Refuse a network whose logits are not those of the classes."""
    import torch

    width, height = detector.input_size
    with torch.inference_mode():
        logits = detector.segmenter(torch.zeros(1, 3, height, width))
    if logits.ndim != 4 or logits.shape[1] != expected:
        msg = (
            f'the network gives logits of shape {tuple(logits.shape)}, expected {expected} '
            'classes: pass --option num_classes=... (and known_classes=... to drop a void class)'
        )
        raise OptionError(msg)


def _save(segmenter: Any, place: Path) -> Path:
    from safetensors.torch import save_file

    path = place / 'weights.safetensors'
    state = {name: tensor.contiguous() for name, tensor in segmenter.state_dict().items()}
    save_file(state, path)
    return path
