# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's command ``pilot``."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_training import PROGRAM
from anomaly_seg_training.devices import torch_device


def add_pilot_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``pilot``."""
    parser.add_argument('--config', type=Path, required=True, help='the study, a YAML file')
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument('--work', type=Path, required=True, help='where a killed study goes on')
    parser.add_argument(
        '--out', type=Path, required=True, help='the .json file; a table .md is written beside it'
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='default: 0 1 2')
    parser.add_argument('--arms', metavar='A,B', help='names (default: all of the study)')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda (default: auto)')
    parser.add_argument('--workers', type=int, default=0, help='loader processes (default: 0)')
    parser.add_argument('--threads', type=int, default=0, help="CPU threads (0: torch's own)")
    parser.set_defaults(run=_pilot)


def _pilot(arguments: argparse.Namespace) -> None:
    import torch

    from anomaly_seg_ros.provenance import provenance
    from anomaly_seg_training.pilot.recipe import PilotRecipe
    from anomaly_seg_training.pilot.study import Study
    from anomaly_seg_training.pilot.table import table
    from anomaly_seg_training.stored_tables import write_table

    recipe = PilotRecipe.load(arguments.config)
    device = torch_device(arguments.device)
    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    study = Study(
        recipe, arguments.data, arguments.work, arguments.threads, device, arguments.workers
    )
    arms = None if arguments.arms is None else arguments.arms.split(',')
    content = study.run(list(dict.fromkeys(arguments.seeds)), arms)
    content['provenance'] = provenance(program=PROGRAM)
    print(write_table(arguments.out, content, table))
