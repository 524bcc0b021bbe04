# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's command ``train issa``."""

from __future__ import annotations

import argparse

from anomaly_seg_training.run_settings import RunSettings, add_run_arguments, run_settings


def add_issa(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``issa`` to the parsers of ``train``."""
    parser = kinds.add_parser('issa', help='train generator and encoder of the style aligner issa')
    add_run_arguments(parser)
    parser.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.issa.recipe import IssaRecipe
    from anomaly_seg_training.issa.train import train_issa

    print(train_issa(IssaRecipe.load(arguments.config), RunSettings(**run_settings(arguments))))
