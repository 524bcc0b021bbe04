# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's command ``generate mgu``."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_training import PROGRAM
from anomaly_seg_training.devices import torch_device
from anomaly_seg_training.model_arguments import add_checkpoint_arguments


def add_mgu(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``mgu`` to the parsers of ``generate``."""
    parser = kinds.add_parser(
        'mgu', help='known regions moved over the boundary of their class, as unknowns to learn'
    )
    model = parser.add_argument_group('the segmenter')
    model.add_argument('--bundle', help='a bundle with weights, or default')
    add_checkpoint_arguments(model, "or a checkpoint of a network of Cityscapes' classes")
    for name, default in (('--mean', 0.0), ('--std', 1.0)):
        model.add_argument(
            name, nargs=3, type=float, default=[default] * 3, metavar=('R', 'G', 'B'),
            help=f'with --checkpoint: of RGB in [0, 1] (default: {default:g})',
        )  # fmt: skip
    what = parser.add_argument_group('the frames')
    what.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    what.add_argument('--source', required=True, help='a data set with a reader, such as camvid')
    what.add_argument(
        '--reader-option', action='append', default=[], metavar='KEY=VALUE',
        help='of its reader; may be repeated',
    )  # fmt: skip
    what.add_argument(
        '--class-map', action='append', default=[], metavar='NAME=CLASS',
        help="Cityscapes' class -> class of the segmenter; may be repeated",
    )  # fmt: skip
    what.add_argument('--size', metavar='WxH', help="the network's (default: each frame's view)")
    what.add_argument(
        '--pseudo-labels', type=float, default=0.9,
        help='softmax above which predictions label frames without labels (default: %(default)s)',
    )  # fmt: skip
    what.add_argument('--per-class', type=int, default=300, help='images (default: %(default)s)')
    what.add_argument('--classes', metavar='A,B', help='names (default: all that occur)')
    what.add_argument(
        '--min-pixels', type=int, default=200,
        help='of the class in a frame, at --size (default: %(default)s)',
    )  # fmt: skip
    what.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    how = parser.add_argument_group('how pixels move')
    how.add_argument(
        '--rule', default='normalised', help='raw, sign or normalised (default: %(default)s)'
    )
    how.add_argument(
        '--step', type=float, default=1.0,
        help='in 8-bit steps; raw: factor of the gradient (default: %(default)s)',
    )  # fmt: skip
    how.add_argument('--iterations', type=int, default=50, help='at most (default: %(default)s)')
    how.add_argument(
        '--stop-share', type=float, default=0.99,
        help='stop when this share of the pixels is wrong; 1: as the paper (default: %(default)s)',
    )  # fmt: skip
    how.add_argument(
        '--context', type=int, default=32,
        help='compute only so many pixels around what is still right, everything now and then; '
        '0: always everything (default: %(default)s)',
    )  # fmt: skip
    run = parser.add_argument_group('the run')
    run.add_argument('--out', type=Path, required=True, help='folder of the shards')
    run.add_argument(
        '--sheet', type=Path, metavar='FILE', help='a page of images to look at, .png'
    )
    run.add_argument('--batch', type=int, default=8, help='default: %(default)s')
    run.add_argument('--device', default='auto', help='auto, cpu or cuda (default: auto)')
    run.add_argument('--threads', type=int, default=0, help="CPU threads (0: torch's own)")
    parser.set_defaults(run=_generate)


def _generate(arguments: argparse.Namespace) -> None:
    import cv2
    import torch

    from anomaly_seg_ros.cli.export import parse_options
    from anomaly_seg_ros.provenance import provenance
    from anomaly_seg_ros.size import Size
    from anomaly_seg_training.errors import LabError
    from anomaly_seg_training.finetune.config import FinetuneRecipe
    from anomaly_seg_training.finetune.start import start_from_bundle, start_from_checkpoint
    from anomaly_seg_training.mgu.config import MguConfig
    from anomaly_seg_training.mgu.frames import FrameSource
    from anomaly_seg_training.mgu.generate import generate
    from anomaly_seg_training.mgu.generation import Generation
    from anomaly_seg_training.mgu.sheet import write_sheet
    from anomaly_seg_training.options import check_at_least
    from anomaly_seg_training.pages import check_name

    if (arguments.bundle is None) == (arguments.checkpoint is None):
        msg = 'expected one segmenter: give --bundle or --checkpoint'
        raise LabError(msg)
    check_at_least(arguments, per_class=1, min_pixels=1, batch=1)
    if arguments.sheet is not None:
        check_name(arguments.sheet, '--sheet')
    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
        cv2.setNumThreads(arguments.threads)
    config = MguConfig(
        arguments.rule, arguments.step, arguments.iterations, arguments.stop_share,
        arguments.context,
    )  # fmt: skip
    recipe = FinetuneRecipe(
        name='mgu', shares={arguments.source: 1.0}, options=parse_options(arguments.option),
        segmenter=arguments.segmenter if arguments.checkpoint else '',
        mean=arguments.mean, std=arguments.std,
    )  # fmt: skip
    if arguments.bundle is not None:
        start = start_from_bundle(recipe, arguments.bundle)
    else:
        start = start_from_checkpoint(recipe, arguments.checkpoint)
    source = FrameSource(
        arguments.data, arguments.source, parse_options(arguments.reader_option),
        dict(_pair(text) for text in arguments.class_map),
        None if arguments.size is None else Size.parse(arguments.size), arguments.pseudo_labels,
    )  # fmt: skip
    device = torch_device(arguments.device)
    generation = Generation(
        source, config, arguments.per_class, _labels(arguments.classes, start.classes.names),
        arguments.min_pixels, arguments.seed, arguments.batch, device,
    )  # fmt: skip
    manifest = generate(
        start, generation, arguments.out,
        lambda: {'provenance': provenance(seed=arguments.seed, program=PROGRAM)},
    )  # fmt: skip
    for name, figures in manifest['per_class'].items():
        print(
            f'{name}: {figures["images"]} images, {100 * figures["kept"]:.2f} % flipped, '
            f'L2 {figures["l2"]:.2f}, L-inf {figures["l_inf"]:.0f}, '
            f'{figures["iterations"]:.1f} iterations'
        )
    for note in manifest['notes']:
        print(f'note: {note}')
    if arguments.sheet is not None:
        print(write_sheet(start, source, arguments.out, arguments.sheet))
    print(arguments.out)


def _pair(text: str) -> tuple[str, str]:
    from anomaly_seg_training.errors import LabError

    name, _, target = text.partition('=')
    if not name or not target:
        msg = f'received --class-map {text!r}, expected NAME=CLASS'
        raise LabError(msg)
    return name, target


def _labels(text: str | None, names: tuple[str, ...]) -> tuple[int, ...] | None:
    from anomaly_seg_training.errors import LabError

    if text is None:
        return None
    found = []
    for name in dict.fromkeys(text.split(',')):
        if name not in names:
            msg = f'received the class {name!r}, expected some of: {", ".join(names)}'
            raise LabError(msg)
        found.append(names.index(name))
    return tuple(found)
