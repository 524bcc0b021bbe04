# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's command ``train adain``."""

from __future__ import annotations

import argparse

from anomaly_seg_training.run_settings import (
    RunSettings,
    add_run_arguments,
    is_first_process,
    run_settings,
)


def add_adain(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``adain`` to the parsers of ``train``."""
    parser = kinds.add_parser('adain', help='train the network of the style aligner adain')
    add_run_arguments(parser)
    parser.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.alignment.adain_training import AdainRecipe, train_adain

    weights = train_adain(
        AdainRecipe.load(arguments.config), RunSettings(**run_settings(arguments))
    )
    if is_first_process():
        print(weights)
