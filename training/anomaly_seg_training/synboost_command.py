# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's commands of SynBoost: its three trainings, and its ablation."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from anomaly_seg_training.run_settings import RunSettings, add_run_arguments, run_settings


def add_synboost(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``perceptual``, ``synthesis`` and ``dissimilarity`` to the parsers of ``train``."""
    perceptual = kinds.add_parser(
        'perceptual', help='train a VGG on labels, where none of ImageNet can be had'
    )
    add_run_arguments(perceptual)
    perceptual.set_defaults(run=_perceptual)
    synthesis = kinds.add_parser('synthesis', help='train a generator of images from labels')
    add_run_arguments(synthesis)
    synthesis.add_argument(
        '--perceptual', type=Path, metavar='FILE',
        help="weights of the perceptual network, of 'train perceptual' or of torchvision; "
        'without it, what the recipe names',
    )  # fmt: skip
    synthesis.set_defaults(run=_synthesis)
    dissimilarity = kinds.add_parser(
        'dissimilarity', help='train what tells photos from re-syntheses (SynBoost)'
    )
    add_run_arguments(dissimilarity)
    _add_parts(dissimilarity)
    dissimilarity.set_defaults(run=_dissimilarity)


def add_synboost_table(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``synboost`` to the parsers of ``tables``."""
    table = kinds.add_parser(
        'synboost', help="SynBoost's ablation: trains all variants, measures them, goes on"
    )
    add_run_arguments(table)
    _add_parts(table)
    table.add_argument('--seeds', default='0,1,2', help='default: %(default)s')
    table.add_argument('--steps', type=int, help="of each training (default: the recipe's)")
    table.add_argument('--variants', metavar='A,B', help='rows of the table (default: all)')
    table.set_defaults(run=_table)


def _add_parts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--bundle', required=True, help="the segmenter's bundle with weights, or default"
    )
    parser.add_argument('--synthesis', type=Path, required=True, help="--out of 'train synthesis'")


def _settings(arguments: argparse.Namespace) -> RunSettings:
    return RunSettings(**run_settings(arguments))


def _perceptual(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.synboost.perceptual_training import train_perceptual
    from anomaly_seg_training.synboost.recipe import PerceptualRecipe

    print(train_perceptual(PerceptualRecipe.load(arguments.config), _settings(arguments)))


def _synthesis(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.synboost.recipe import SynthesisRecipe
    from anomaly_seg_training.synboost.synthesis_training import train_synthesis

    recipe = SynthesisRecipe.load(arguments.config)
    print(train_synthesis(recipe, _settings(arguments), arguments.perceptual))


def _dissimilarity(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.synboost.dissimilarity_run import train_dissimilarity
    from anomaly_seg_training.synboost.recipe import DissimilarityRecipe

    recipe = DissimilarityRecipe.load(arguments.config)
    settings = _settings(arguments)
    print(train_dissimilarity(recipe, settings, arguments.bundle, arguments.synthesis))


def _table(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.synboost.ablation import (
        VARIANTS,
        parse_seeds,
        parse_variants,
        run_ablation,
    )
    from anomaly_seg_training.synboost.recipe import DissimilarityRecipe

    recipe = DissimilarityRecipe.load(arguments.config)
    if arguments.steps is not None:
        recipe = replace(recipe, steps=arguments.steps)
    variants = list(VARIANTS) if arguments.variants is None else parse_variants(arguments.variants)
    print(
        run_ablation(
            recipe, _settings(arguments), arguments.bundle, arguments.synthesis,
            parse_seeds(arguments.seeds), variants,
        )
    )  # fmt: skip
