# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg info``: what a bundle is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from anomaly_seg_ros.bundle import Bundle, Card
from anomaly_seg_ros.refinement.names import SML, parse_refinement


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'bundle', nargs='?', default='default', help='bundle folder, default or synboost'
    )
    parser.add_argument('--json', action='store_true', help='print the card as JSON')


def run(args: argparse.Namespace) -> int:
    """Print a bundle's card.

    Raises:
        BundleError: It is no valid bundle.
    """
    bundle = Bundle.open(args.bundle)
    if args.json:
        print(json.dumps(bundle.card.to_json(), indent=2))
    else:
        print('\n'.join(_lines(bundle)))
    return 0


def _lines(bundle: Bundle) -> Iterator[str]:
    card = bundle.card
    yield f'{card.name}: {card.description}'
    yield from _row('folder', str(bundle.path))
    files = {name: (bundle.path / name).stat().st_size for name in card.hashes}
    yield from _row('files', ', '.join(f'{n} ({size / 1e6:.1f} MB)' for n, size in files.items()))
    options = ', '.join(f'{k}={v}' for k, v in card.segmenter.options.items())
    yield from _row('segmenter', card.segmenter.name + (f' ({options})' if options else ''))
    yield from _row('input size', str(card.input_size))
    yield from _row('classes', f'{len(card.classes)}: {", ".join(card.classes.names)}')
    yield from _row('scores', ', '.join(card.scores))
    yield from _row('refinements', ', '.join(card.refinements))
    yield from _row('score', card.output)
    if card.threshold is None:
        yield from _row('threshold', 'none: the mask needs one, see the parameter threshold')
    else:
        yield from _row('threshold', f'{card.threshold.value:g} ({card.threshold.method})')
    if card.score_range is not None:
        yield from _row('score range', '{:g} to {:g}'.format(*card.score_range))
    yield from _row('statistics', _statistics(card))
    for output, entry in card.calibration.items():
        yield from _row('calibrated', f'{output}: threshold {entry["threshold"]:g}')
    for title, table in (
        ('licence', card.licence),
        ('training', card.training),
        ('measured', card.measured),
    ):
        for key, value in _flat(table):
            yield from _row(f'{title}: {key}', value)


def _statistics(card: Card) -> str:
    if card.statistics:
        text = f'of {", ".join(card.statistics)}'
        if card.shrinkage:
            shrinkage = card.shrinkage
            text += f', shrinkage {shrinkage.mean:g} of means, {shrinkage.std:g} of deviations'
        return text
    if any(SML in parse_refinement(refinement) for refinement in card.refinements):
        return f'none: refinements with {SML} need them, run anomaly-seg calibrate'
    return 'none'


def _row(key: str, value: str) -> Iterator[str]:
    yield f'  {key:<18} {value}'


def _flat(table: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f'{prefix}{key}.')
        elif isinstance(value, list):
            yield f'{prefix}{key}', ', '.join(map(str, value))
        else:
            yield f'{prefix}{key}', f'{value:.6g}' if isinstance(value, float) else str(value)
