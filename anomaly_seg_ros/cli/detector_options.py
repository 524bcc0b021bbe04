# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments that say which detector to run, shared by the commands that start its node."""

from __future__ import annotations

import argparse
from typing import Any

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.errors import AnomalySegError


def add_detector_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--bundle``, ``--engine`` and their like."""
    group = parser.add_argument_group('which detector')
    group.add_argument('--bundle', default='default', help='bundle folder (default: default)')
    group.add_argument('--engine', default='auto', help='auto, onnxruntime or torch')
    group.add_argument('--device', default='auto', help='auto, cpu, cuda, ...')
    group.add_argument('--threads', type=int, default=0, help='CPU threads of the engine')
    group.add_argument('--score', default='', help="anomaly score (default: the bundle's)")
    group.add_argument(
        '--threshold', type=float, help="pixels with a higher score are anomalous (the bundle's)"
    )


def detector_parameters(args: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Return the parameters of the detector node and its number of classes.

    Raises:
        BundleError: The bundle cannot be used; noticed here, before anything is started.
        AnomalySegError: The bundle has no such score.
    """
    bundle = Bundle.open(args.bundle)
    if args.score and args.score not in bundle.card.scores:
        msg = (
            f'the bundle {args.bundle} has no score {args.score!r}, '
            f'expected one of: {", ".join(bundle.card.scores)}'
        )
        raise AnomalySegError(msg)
    parameters: dict[str, Any] = {
        'bundle': str(bundle.path.absolute()),
        'engine': args.engine,
        'device': args.device,
        'threads': args.threads,
        'score': args.score,
    }
    if args.threshold is not None:
        parameters['threshold'] = args.threshold
    return parameters, len(bundle.card.classes)
