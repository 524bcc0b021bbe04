# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's commands ``pilot`` and ``tables pilot``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

PROGRAM = 'anomaly-seg-lab'


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


def add_pilot_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``tables pilot``."""
    parser.add_argument('file', type=Path, help='a .json file that `pilot` wrote')
    parser.set_defaults(run=_table)


def _pilot(arguments: argparse.Namespace) -> None:
    import torch

    from anomaly_seg_ros.files import write_json
    from anomaly_seg_ros.provenance import provenance
    from anomaly_seg_training.pilot.recipe import PilotRecipe
    from anomaly_seg_training.pilot.study import Study

    recipe = PilotRecipe.load(arguments.config)
    device = arguments.device
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    study = Study(
        recipe, arguments.data, arguments.work, arguments.threads, device, arguments.workers
    )
    arms = None if arguments.arms is None else arguments.arms.split(',')
    content = study.run(list(dict.fromkeys(arguments.seeds)), arms)
    content['provenance'] = provenance(program=PROGRAM)
    write_json(arguments.out, content)
    print(_write_table(arguments.out, content))


def _table(arguments: argparse.Namespace) -> None:
    from anomaly_seg_training.errors import LabError

    try:
        content = json.loads(arguments.file.read_text('utf-8'))
    except (OSError, ValueError) as error:
        msg = f'cannot read {arguments.file} ({error}): give the .json of `pilot`'
        raise LabError(msg) from error
    print(_write_table(arguments.file, content))


def _write_table(file: Path, content: dict[str, Any]) -> str:
    from anomaly_seg_ros.files import write_text
    from anomaly_seg_training.pilot.table import table

    text = table(content)
    write_text(file.with_suffix('.md'), text)
    return text
