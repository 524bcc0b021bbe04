# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's command ``train finetune``."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_training.run_settings import add_run_arguments, is_first_process, run_settings


def add_finetune(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``finetune`` to the parsers of ``train``."""
    parser = kinds.add_parser(
        'finetune', help='teach a trained segmenter what is none of its classes'
    )
    add_run_arguments(parser)
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument('--bundle', help='start from a bundle with weights, or default')
    start.add_argument(
        '--checkpoint',
        type=Path,
        metavar='FILE',
        help="start from the recipe's segmenter's weights",
    )
    parser.add_argument(
        '--no-bundle', action='store_true', help='write weights only; export makes the bundle'
    )
    parser.set_defaults(run=_finetune)


def _finetune(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.finetune.config import FinetuneRecipe
    from anomaly_seg_training.finetune.finetuning import FinetuneRun, finetune

    recipe = FinetuneRecipe.load(arguments.config)
    run = FinetuneRun(
        start_bundle=arguments.bundle,
        start_checkpoint=arguments.checkpoint,
        **run_settings(arguments),
    )
    weights = finetune(recipe, run)
    if not is_first_process():
        return
    if arguments.no_bundle:
        print(weights)
        return
    from anomaly_seg_training.finetune.bundle import write_finetuned_bundle

    print(write_finetuned_bundle(run.out, run.data, run.out / 'bundle', run.threads).path)
