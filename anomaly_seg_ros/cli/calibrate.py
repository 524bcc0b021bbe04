# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg calibrate``: class statistics and thresholds from normal drives, without ROS."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.calibration import (
    GUARANTEES,
    LEVELS,
    Calibration,
    CalibrationConfig,
    Promise,
    calibrate,
    check_target,
    chosen_outputs,
    store,
)
from anomaly_seg_ros.cleanup import CleanupConfig
from anomaly_seg_ros.cli.source_options import add_source_arguments, source_options
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.refinement import Shrinkage
from anomaly_seg_ros.sources import open_source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'input',
        metavar='SOURCE',
        help='normal drives: a bag, a video, a folder of images, or the word '
        "'synthetic'; nothing unknown should be in them",
    )
    parser.add_argument('--bundle', required=True, help='the bundle to calibrate')
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='write a calibrated copy (default: in place)'
    )
    parser.add_argument('--json', type=Path, metavar='F', help='write all that was found')
    promise = parser.add_argument_group('what is promised')
    promise.add_argument(
        '--false-positive-rate',
        type=float,
        required=True,
        metavar='RATE',
        help='of normal pixels or frames, for example 0.001',
    )
    promise.add_argument(
        '--level',
        choices=LEVELS,
        default='pixel',
        help='pixel: the share of normal pixels in masks; frame: the share of normal frames with '
        'any mask at all (default: pixel)',
    )
    promise.add_argument(
        '--guarantee',
        choices=GUARANTEES,
        default='probability',
        help='whether the rate holds with --confidence, or only on average over calibrations, '
        'which needs fewer frames (default: probability)',
    )
    promise.add_argument('--confidence', type=float, default=0.95, help='default: 0.95')
    promise.add_argument(
        '--frame-limit',
        type=float,
        metavar='SHARE',
        help='a frame counts with at most this share of pixels; 1 for no limit (default: as the '
        'number of frames allows)',
    )
    what = parser.add_argument_group('what is calibrated')
    what.add_argument('--score', default='', metavar='A,B', help="scores (default: the bundle's)")
    what.add_argument(
        '--refinement', default='', metavar='A,B', help='refinements of them (default: all)'
    )
    what.add_argument(
        '--shrinkage',
        type=float,
        nargs=2,
        metavar=('MEAN', 'STD'),
        help='how far class statistics are drawn together before they standardise, each 0 (as '
        "SML) to 1 (default: the bundle's, in most of them 0 0)",
    )
    what.add_argument(
        '--hysteresis', type=float, default=0.0, help='of the mask, 0 (off) to 1 (default: 0)'
    )
    what.add_argument(
        '--min-area', type=int, default=0, metavar='N', help='of the mask, in pixels (default: 0)'
    )
    which = parser.add_argument_group('which part of the frames')
    which.add_argument('--every', type=int, default=1, metavar='N', help='use every Nth frame')
    which.add_argument(
        '--max-frames', type=int, metavar='N', help='use at most N frames, evenly spaced'
    )
    which.add_argument(
        '--statistics-share',
        type=float,
        default=0.25,
        metavar='SHARE',
        help='of the frames, from the first, for class statistics; the rest gives the thresholds '
        '(default: 0.25)',
    )
    which.add_argument(
        '--keep-statistics', action='store_true', help="keep the bundle's class statistics"
    )
    add_source_arguments(parser)
    engine = parser.add_argument_group('what runs the detector')
    engine.add_argument('--engine', default='auto', help='auto, onnxruntime or torch')
    engine.add_argument('--device', default='auto', help='auto, cpu, cuda, ...')
    engine.add_argument('--threads', type=int, default=0, help='CPU threads of the engine')


def run(args: argparse.Namespace) -> int:
    """Calibrate.

    Raises:
        AnomalySegError: The input or the bundle cannot be used, there are too few frames for the
            promise, or the result cannot be written.
    """
    config = CalibrationConfig(
        promise=Promise(
            args.false_positive_rate,
            args.level,
            args.guarantee,
            args.confidence,
            args.frame_limit,
        ),
        scores=_names(args.score),
        refinements=_names(args.refinement),
        cleanup=CleanupConfig(hysteresis=args.hysteresis, min_area=args.min_area),
        every=args.every,
        max_frames=args.max_frames,
        statistics_share=args.statistics_share,
        keep_statistics=args.keep_statistics,
        shrinkage=None if args.shrinkage is None else Shrinkage(*args.shrinkage),
    )
    bundle = Bundle.open(args.bundle)
    check_target(bundle, args.out)
    chosen_outputs(bundle.card, config)
    source = open_source(args.input, source_options(args))

    def load(calibrated: Bundle) -> Engine:
        return load_engine(args.engine, calibrated, device=args.device, threads=args.threads)

    begin = time.perf_counter()
    with tqdm(desc='calibrate', unit='frame') as bar:

        def progress(total: int) -> None:
            bar.total = total
            bar.update()

        origin = _published(source.description, args.input)
        result = calibrate(bundle, source, config, load, progress, origin)
    written = store(bundle, result.card, args.out)
    report = {**result.report, 'seconds': time.perf_counter() - begin}
    if args.json:
        write_json(args.json, report)
    print('\n'.join(_in_words(written, result)))
    return 0


def _published(description: str, path: str) -> str:
    """Return a description without the folders of a path: bundles are handed on."""
    return description.replace(str(Path(path)), Path(path).resolve().name)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(',')) if text else ()


def _in_words(bundle: Bundle, result: Calibration) -> Iterator[str]:
    entries = result.report['outputs']
    first = next(iter(entries.values()))
    what = 'frames with a mask' if first['level'] == 'frame' else 'pixels'
    yield (
        f'{bundle.path}: at most {first["false_positive_rate"]:g} of normal {what}, '
        f'from {first["frames"]} frames'
    )
    width = max(map(len, entries))
    yield f'  {"output":<{width}}  {"threshold":>11}  {"measured":>9}'
    for name, entry in entries.items():
        yield f'  {name:<{width}}  {entry["threshold"]:>11.6g}  {entry["measured"]:>9.2g}'
    yield f'  method: {first["method"]}'
    for warning in result.warnings:
        yield f'  note: {warning}'
