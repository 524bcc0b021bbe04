# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab tables``: results as JSON, and as Markdown beside it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from anomaly_seg_ros.files import write_text
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.stored_tables import markdown_of, read_table, write_beside, write_table

_ERFNET = ('num_classes=20', 'known_classes=19')


def add_refinements_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``tables refinements``."""
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--checkpoint',
        type=Path,
        required=True,
        help="the network's weights, .pth or .safetensors",
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='the .json file; a table .md is written beside it'
    )
    parser.add_argument(
        '--work', type=Path,
        help='folder of what can be used again, many GB (default: that of --out, .work for .json)',
    )  # fmt: skip
    parser.add_argument('--segmenter', default='erfnet', help='default: %(default)s')
    parser.add_argument(
        '--option', action='append', metavar='KEY=VALUE',
        help=f'of the network; may be repeated (default: {" ".join(_ERFNET)})',
    )  # fmt: skip
    for name, default in (('--mean', 0.0), ('--std', 1.0)):
        parser.add_argument(
            name, nargs=3, type=float, default=(default,) * 3, metavar=('R', 'G', 'B'),
            help=f'of RGB in [0, 1] (default: {default:g})',
        )  # fmt: skip
    parser.add_argument('--sets', metavar='A,B', help='default: all')
    parser.add_argument(
        '--sizes', metavar='A,B', default='native,1024x512',
        help='of images and network: native or WxH (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--flip', metavar='A,B', default='',
        help='sizes at which the mean with the mirrored image is measured, too (default: none)',
    )  # fmt: skip
    parser.add_argument('--scores', metavar='A,B', help='default: all')
    parser.add_argument('--refinements', metavar='A,B', help='default: the cumulative list')
    parser.add_argument(
        '--statistics', metavar='A,B', default='cityscapes,camvid',
        help='sources of class statistics: cityscapes, camvid, dashcam (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument('--images', type=int, help='of each set at most so many, to try it out')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument('--threads', type=int, default=0, help="CPU threads (0: torch's own)")
    parser.set_defaults(run=_refinements)


def add_markdown_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``tables markdown``."""
    parser.add_argument('file', type=Path, help='the .json file')
    parser.set_defaults(run=_markdown)


def add_papers_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``tables papers``."""
    parser.add_argument(
        '--results', type=Path, nargs='*', default=[], metavar='FILE',
        help='.json files of evaluate, measure bundle, measure seeds, ablation, tables '
        'refinements and tables synboost',
    )  # fmt: skip
    parser.add_argument(
        '--trained', action='append', default=[], metavar='NETWORK=METHOD',
        help='this network or bundle of the results was trained by a method of the papers, '
        'whatever the results say; may be repeated',
    )  # fmt: skip
    parser.add_argument('--out', type=Path, required=True, help='the .md file')
    parser.set_defaults(run=_papers)


def add_ablations_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``tables ablations``."""
    parser.add_argument('file', type=Path, help='the .json file that `ablation` wrote')
    parser.add_argument('--out', type=Path, help='the .md file (default: beside the .json file)')
    parser.set_defaults(run=_ablations)


def _refinements(arguments: argparse.Namespace) -> None:
    import cv2
    import torch

    from anomaly_seg_ros.bundle import Preprocessing
    from anomaly_seg_ros.cli.export import parse_options
    from anomaly_seg_training.maps import PASSES
    from anomaly_seg_training.refinement_markdown import markdown
    from anomaly_seg_training.refinement_table import Network, Table, TableConfig

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
        cv2.setNumThreads(arguments.threads)
    chosen: dict[str, Any] = {
        key: tuple(value.split(','))
        for key in ('sets', 'scores', 'refinements')
        if (value := getattr(arguments, key)) is not None
    }
    config = TableConfig(
        resolutions=tuple(arguments.sizes.split(',')),
        passes={size: PASSES for size in arguments.flip.split(',') if size},
        statistics=tuple(arguments.statistics.split(',')),
        images=arguments.images,
        seed=arguments.seed,
        **chosen,
    )
    network = Network(
        arguments.segmenter,
        parse_options(list(_ERFNET) if arguments.option is None else arguments.option),
        arguments.checkpoint,
        Preprocessing(tuple(arguments.mean), tuple(arguments.std)),
    )
    work = arguments.work or arguments.out.with_suffix('.work')
    content = Table(config, network, arguments.data, work).build()
    print(write_table(arguments.out, content, markdown))


def _markdown(arguments: argparse.Namespace) -> None:
    content = read_table(arguments.file)
    print(write_beside(arguments.file, content, markdown_of(content)))


def _papers(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.papers import paper_tables
    from anomaly_seg_training.papers.markdown import markdown
    from anomaly_seg_training.papers.measured import read_results

    trained = dict(_pair(text) for text in arguments.trained)
    files = sorted(set(arguments.results), key=lambda file: (file.name, file))
    found = {file: read_results(file) for file in files}
    text = markdown(
        paper_tables(),
        [entry for entries in found.values() for entry in entries],
        trained,
        _command(files, trained),
        [file.name for file in files],
    )
    write_text(arguments.out, text)
    print(arguments.out)


def _ablations(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.ablation.markdown import markdown
    from anomaly_seg_training.ablation.results import read_ablations

    content = read_ablations(arguments.file)
    text = markdown(content, f'anomaly-seg-lab tables ablations {arguments.file.name}')
    out = arguments.out or arguments.file.with_suffix('.md')
    write_text(out, text)
    print(out)


def _pair(text: str) -> tuple[str, str]:
    name, _, method = text.partition('=')
    if not name or not method:
        msg = f'received --trained {text!r}, expected NETWORK=METHOD'
        raise LabError(msg)
    return name, method


def _command(files: list[Path], trained: dict[str, str]) -> str:
    """Return the command without folders and times: what it makes depends on neither."""
    words = ['anomaly-seg-lab tables papers', *(['--results'] if files else [])]
    words += [file.name for file in files]
    return ' '.join(words + [f'--trained {name}={key}' for name, key in sorted(trained.items())])
