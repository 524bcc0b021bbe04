# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line ``anomaly-seg-lab``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_training import PROGRAM, tables_command
from anomaly_seg_training.ablation_command import add_ablation_arguments
from anomaly_seg_training.adain_command import add_adain
from anomaly_seg_training.evaluate_command import add_evaluate_arguments
from anomaly_seg_training.finetune.command import add_finetune
from anomaly_seg_training.issa_command import add_issa
from anomaly_seg_training.memory import keep_memory
from anomaly_seg_training.mgu.command import add_mgu
from anomaly_seg_training.model_arguments import add_measuring_arguments
from anomaly_seg_training.oodmc_command import add_fit, add_measure
from anomaly_seg_training.pilot.command import add_pilot_arguments
from anomaly_seg_training.pooling_command import add_pooling_table
from anomaly_seg_training.proxies_command import add_proxies_arguments
from anomaly_seg_training.report_command import add_report_arguments
from anomaly_seg_training.run_settings import (
    add_run_arguments,
    is_first_process,
    run_settings,
)
from anomaly_seg_training.seeds_command import add_measure_seeds
from anomaly_seg_training.shrinkage_command import add_shrinkage_table
from anomaly_seg_training.stages_command import add_stages_arguments
from anomaly_seg_training.submission_command import add_submission
from anomaly_seg_training.synboost_command import add_synboost, add_synboost_table
from anomaly_seg_training.worst_command import add_worst_arguments


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description='Train, measure and export models, offline.'
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    train = commands.add_parser('train', help='train a model by a recipe')
    kinds = train.add_subparsers(dest='kind', required=True, metavar='KIND')
    segmenter = kinds.add_parser('segmenter', help='train a segmenter by labels and by a teacher')
    add_run_arguments(segmenter)
    segmenter.add_argument(
        '--teacher', type=Path, help="the checkpoint of the recipe's teacher (state dict)"
    )
    segmenter.add_argument(
        '--start', type=Path, metavar='FILE', help='weights of an earlier run to start from'
    )
    segmenter.set_defaults(run=_train_segmenter)
    add_finetune(kinds)
    add_adain(kinds)
    add_issa(kinds)
    add_synboost(kinds)

    made = commands.add_parser('generate', help='make data to train on')
    add_mgu(made.add_subparsers(dest='kind', required=True, metavar='KIND'))

    export = commands.add_parser('export', help='turn a training run into a bundle')
    export.add_argument('--run', dest='folder', type=Path, required=True, help='--out of train')
    export.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    export.add_argument('--out', type=Path, required=True, help='the bundle to write')
    export.add_argument('--threads', type=int, default=0, help='0: all cores')
    export.add_argument(
        '--no-weights', action='store_true', help='the graph alone, for every engine but torch'
    )
    export.add_argument(
        '--octaves', type=int, metavar='N',
        help='in which a second stream sees the picture; no weight depends on it, nor on '
        "--sharpness (default: the recipe's)",
    )  # fmt: skip
    export.add_argument(
        '--sharpness', type=float, metavar='S', help="of those octaves (default: the recipe's)"
    )
    export.add_argument(
        '--mirrored', action='store_const', const=True,
        help='it sees mirrored pictures too, from the second octave on',
    )  # fmt: skip
    export.set_defaults(run=_export)

    evaluate = commands.add_parser(
        'evaluate', help='measure bundles on data sets or bags, by a named protocol'
    )
    add_evaluate_arguments(evaluate)

    report = commands.add_parser(
        'report', help='results of evaluations as one HTML page with curves and pictures'
    )
    add_report_arguments(report)

    info = commands.add_parser('info', help='what a data set is, and what of it is here')
    info.add_argument('--dataset', help='a data set; without it, all are listed')
    info.add_argument(
        '--root', type=Path, help='its folder; without it, where to get it and how to unpack it'
    )
    info.add_argument('--json', type=Path, help='write what the folder holds to this file')
    info.set_defaults(run=_info)

    proxies = commands.add_parser(
        'proxies', help='pictures of stand-ins for the unknown, before and after alignment'
    )
    add_proxies_arguments(proxies)

    ablation = commands.add_parser(
        'ablation', help='fine-tune by variants of one short schedule and compare them'
    )
    add_ablation_arguments(ablation)

    worst = commands.add_parser(
        'worst', help='scores before and after fine-tuning on the images that were worst'
    )
    add_worst_arguments(worst)

    stages = commands.add_parser('stages', help='what SynBoost draws, doubts and finds in images')
    add_stages_arguments(stages)

    pilot = commands.add_parser(
        'pilot', help='known classes as unknowns, each choice in turn, against MGU'
    )
    add_pilot_arguments(pilot)

    tables = commands.add_parser('tables', help='make the tables of results')
    table_kinds = tables.add_subparsers(dest='kind', required=True, metavar='KIND')
    refinements = table_kinds.add_parser(
        'refinements', help='every score after every refinement, and fused, on anomaly sets'
    )
    tables_command.add_refinements_arguments(refinements)
    markdown = table_kinds.add_parser(
        'markdown', help='write the .md beside the .json of a table, pilot or measured seeds again'
    )
    tables_command.add_markdown_arguments(markdown)
    papers = table_kinds.add_parser('papers', help="the papers' tables with our results beside")
    tables_command.add_papers_arguments(papers)
    add_synboost_table(table_kinds)
    add_shrinkage_table(table_kinds)
    add_pooling_table(table_kinds)
    ablations = table_kinds.add_parser('ablations', help='the tables of `ablation`')
    tables_command.add_ablations_arguments(ablations)

    add_submission(commands)

    fit = commands.add_parser('fit', help='fit what classifies pixels on a trained network')
    add_fit(fit.add_subparsers(dest='kind', required=True, metavar='KIND'))
    measure = commands.add_parser('measure', help='measure one bundle or method by itself')
    measures = measure.add_subparsers(dest='kind', required=True, metavar='KIND')
    _add_measure_bundle(
        measures.add_parser(
            'bundle', help='the figures of a card: IoU on Cityscapes val, scores on anomaly sets'
        )
    )
    add_measure_seeds(
        measures.add_parser(
            'seeds', help='mean and spread over bundles that differ in the seed of their training'
        )
    )
    add_measure(measures)
    return parser


def _add_measure_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--bundle', required=True, help="a bundle's folder, default or synboost")
    add_measuring_arguments(parser)
    parser.set_defaults(run=_measure_bundle)


def _train_segmenter(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.config import SegmenterRecipe
    from anomaly_seg_training.training import Run, train

    recipe = SegmenterRecipe.load(arguments.config)
    run = Run(teacher=arguments.teacher, start=arguments.start, **run_settings(arguments))
    train(recipe, run)
    if is_first_process():
        from anomaly_seg_training.export import write_segmenter_bundle

        print(write_segmenter_bundle(run.out, run.data, run.out / 'bundle', run.threads).path)


def _export(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.export import leave_out_weights, write_run_bundle
    from anomaly_seg_training.pooling import Pooling

    pooling = Pooling(arguments.octaves, arguments.sharpness, arguments.mirrored)
    bundle = write_run_bundle(
        arguments.folder, arguments.data, arguments.out, arguments.threads,
        pooling if pooling.options() else None,
    )  # fmt: skip
    if arguments.no_weights:
        bundle = leave_out_weights(bundle)
    print(bundle.path)


def _measure_bundle(arguments: argparse.Namespace) -> None:
    from anomaly_seg_ros.bundle import Bundle
    from anomaly_seg_ros.engines import load_engine
    from anomaly_seg_training.measure import evaluate, table
    from anomaly_seg_training.stored_tables import write_table

    bundle = Bundle.open(arguments.bundle)
    engine = load_engine(arguments.engine, bundle, threads=arguments.threads)
    content = evaluate(engine, arguments.data)
    engine.close()
    print(write_table(arguments.out, content, table))


def _info(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.benchmark.info import show

    show(arguments.dataset, arguments.root, arguments.json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 with one line on stderr for a user's mistake."""
    if arguments is None:
        # The process is the lab's own.
        keep_memory()
    parsed = build_parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except AnomalySegError as error:
        print(f'anomaly-seg-lab: error: {error}', file=sys.stderr)
        return 2
    except KeyError as error:
        print(f'anomaly-seg-lab: error: {error.args[0]}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
