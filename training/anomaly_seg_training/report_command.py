# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab report``: results of evaluations as one HTML page that works from disk."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from anomaly_seg_ros import __version__
from anomaly_seg_ros.provenance import command_line
from anomaly_seg_training import PROGRAM
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.model_arguments import add_checkpoint_arguments, add_engine_arguments
from anomaly_seg_training.options import check_at_least

RANK_NAMES = {'ap': 'AP', 'auroc': 'AUROC', 'fpr95': 'FPR95'}
_OF_IMAGES = ('image', 'auroc', 'ap', 'fpr95', 'best_f1', 'pixels', 'anomalous_pixels')
_WIDTHS = (64, 4096)
_LARGE = 8.0


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'files', type=Path, nargs='+', metavar='FILE', help='what `evaluate --json` wrote'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='the page, .html')
    parser.add_argument('--title', help='default: made of the names of models and sets')
    pictures = parser.add_argument_group(
        'pictures with a threshold slider: the network runs once more on the worst and best images'
    )
    pictures.add_argument(
        '--root', type=Path, action='append', default=[], metavar='DIR',
        help="a data set's folder; may be repeated",
    )  # fmt: skip
    pictures.add_argument('--dataset', metavar='NAME', help='default: as the files say')
    pictures.add_argument(
        '--bag', type=Path, action='append', default=[], metavar='BAG', help='may be repeated'
    )
    pictures.add_argument('--topic', help='image topic, when a bag has several')
    pictures.add_argument(
        '--bundle', action='append', default=[],
        help="a bundle's folder, default or synboost; may be repeated",
    )  # fmt: skip
    add_checkpoint_arguments(pictures, 'weights, as `evaluate` takes them')
    pictures.add_argument('--fusion', type=Path, metavar='FILE', help='where it was used')
    add_engine_arguments(pictures)
    pictures.add_argument(
        '--gallery', type=int, default=3, metavar='N',
        help='worst and as many best images of each set and model (default: %(default)s)',
    )  # fmt: skip
    pictures.add_argument(
        '--rank', choices=tuple(RANK_NAMES), default='ap', help='default: %(default)s'
    )
    pictures.add_argument(
        '--output', default='', metavar='NAME',
        help='such as max_logit+sml (default: of each set that with the best AP)',
    )  # fmt: skip
    pictures.add_argument(
        '--width', type=int, default=1024, metavar='PIXELS', help='at most (default: %(default)s)'
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.report.page import page, write_page
    from anomaly_seg_training.report.results_file import read_results

    _check(arguments)
    files = [read_results(path) for path in arguments.files]
    content = report_content(files, _names(arguments.files))
    content['rank'] = RANK_NAMES[arguments.rank]
    if arguments.root or arguments.bag:
        content['galleries'] = _galleries(arguments, content['rows'], files)
    text = page(content, arguments.title or _title(content))
    write_page(arguments.out, text)
    size = arguments.out.stat().st_size / 1e6
    print(f'{arguments.out}: {size:.1f} MB')
    if size > _LARGE:
        print('a smaller --gallery or --width makes a smaller page', file=sys.stderr)


def report_content(files: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Return what a page shows of results files, without pictures.

    Args:
        files: What `read_results` returned.
        names: As the page calls the files, all different.

    Raises:
        PaperError: The stored figures of the papers cannot be read.
    """
    rows = [
        {**row, 'file': index, 'per_image': _shown(row['per_image'])}
        for index, content in enumerate(files)
        for row in content['results']
    ]
    segmentation = [
        {**row, 'file': index}
        for index, content in enumerate(files)
        for row in content['segmentation'] or []
    ]
    if not rows and not segmentation:
        msg = 'the files hold no figures, expected at least one result'
        raise LabError(msg)
    keys = ('command', 'models', 'sets', 'protocols', 'size', 'seconds', 'images', 'provenance')
    return {
        'files': [
            {'name': name, **{key: content[key] for key in keys}}
            for name, content in zip(names, files, strict=True)
        ],
        'rows': rows,
        'segmentation': segmentation,
        'papers': {
            name: _papers(name, [row['images'] for row in rows if row['set'] == name])
            for name in dict.fromkeys(row['set'] for row in rows)
        },
        'galleries': [],
        'rank': RANK_NAMES['ap'],
        'made': {
            'command': command_line(program=PROGRAM),
            'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            'version': __version__,
        },
    }


def _shown(images: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Return of each image what the page shows: a set may have thousands of them."""
    if images is None:
        return None
    return [{key: image[key] for key in _OF_IMAGES} for image in images]


def _papers(name: str, images: Sequence[int]) -> list[dict[str, Any]]:
    """Return the papers' figures on a set as fractions; those without any are left out."""
    from anomaly_seg_training.papers import paper_rows

    found = []
    for row in paper_rows(name, images[0] if len(set(images)) == 1 else None):
        fields = asdict(row)
        figures = {key: fields[key] for key in ('auroc', 'ap', 'fpr95')}
        if any(value is not None for value in figures.values()):
            fields |= {k: None if v is None else v / 100 for k, v in figures.items()}
            found.append(fields)
    return found


def _galleries(
    arguments: argparse.Namespace, rows: Sequence[dict[str, Any]], files: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    from tqdm import tqdm

    from anomaly_seg_training.report.gallery import (
        GalleryConfig,
        chosen_images,
        chosen_rows,
        gallery,
    )
    from anomaly_seg_training.report.inputs import Inputs

    config = GalleryConfig(arguments.gallery, arguments.rank, arguments.output, arguments.width)
    chosen = chosen_rows(rows, config.output)
    if not chosen:
        what = f' by the output {config.output}' if config.output else ''
        msg = f'no result{what} has figures of single images: run evaluate with --per-image'
        raise LabError(msg)
    made: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix='anomaly-seg-lab-') as place:
        inputs = Inputs(arguments, files, Path(place))
        total = sum(len(chosen_images(rows[index], config)) for index in chosen)
        with tqdm(total=total, desc='pictures', unit='image', disable=None) as bar:
            for index in chosen:
                row = rows[index]
                try:
                    found = inputs.set_of(row)
                    model = inputs.model_of(row, files[row['file']])
                except LabError as error:
                    missing = error
                    print(f'no pictures of {row["set"]}: {error}', file=sys.stderr)
                    continue
                with inputs.closing(model):
                    shown = gallery(row, found, model, config, lambda _: bar.update())
                made.append({'row': index, **shown})
    if not made:
        raise missing
    return made


def _check(arguments: argparse.Namespace) -> None:
    pictures = bool(arguments.root or arguments.bag)
    model = bool(arguments.bundle or arguments.checkpoint)
    if any(path.resolve() == arguments.out.resolve() for path in arguments.files):
        msg = f'received --out {arguments.out}, which is one of the results: give another name'
        raise LabError(msg)
    if pictures != model:
        msg = (
            'received one of --root (or --bag) and --bundle (or --checkpoint), expected both for '
            'pictures, or none of them'
        )
        raise LabError(msg)
    check_at_least(arguments, gallery=1)
    low, high = _WIDTHS
    if not low <= arguments.width <= high:
        msg = f'received --width {arguments.width}, expected {low} to {high} pixels'
        raise LabError(msg)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return short names for the files, the places of equal ones behind them."""
    stems = [path.stem for path in paths]
    return [
        stem if stems.count(stem) == 1 else f'{stem} ({place})'
        for place, stem in enumerate(stems, 1)
    ]


def _title(content: dict[str, Any]) -> str:
    rows = [*content['rows'], *content['segmentation']]
    bundles = list(dict.fromkeys(row['bundle'] for row in rows))
    sets = list(dict.fromkeys(row['set'] for row in rows))
    some = [', '.join(names[:3]) + (' ...' if len(names) > 3 else '') for names in (bundles, sets)]
    return f'{some[0]} on {some[1]}'
