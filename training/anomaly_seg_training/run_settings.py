# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where and how long a run trains; what does not change its recipe."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_seg_training.devices import torch_device
from anomaly_seg_training.errors import LabError

CHECKPOINT = 'last.ckpt'
WEIGHTS = 'weights.safetensors'
RUN = 'run.json'
WRITTEN = (CHECKPOINT, WEIGHTS, RUN)
"""What every training writes into its folder after each epoch."""
LARGEST_SEED = 2**32 - 1
"""NumPy takes no larger one."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run needs to know of its place.

    Args:
        data: Folder that holds the data sets.
        out: Folder for checkpoints and weights.
        seed: Of weights, crops and mixing.
        max_minutes: Time limit, None for none.
        resume: Continue from the last checkpoint in `out`.
        devices: Number of devices, or ``auto``.
        accelerator: Lightning's accelerator, ``auto``, ``cpu``, ``gpu``.
        nodes: Machines that take part; each is started by ``torchrun``.
        workers: Loader processes per device; 0 loads in the training process.
        threads: CPU threads of torch; 0 leaves torch's choice.
    """

    data: Path
    out: Path
    seed: int = 0
    max_minutes: float | None = None
    resume: bool = False
    devices: str = 'auto'
    accelerator: str = 'auto'
    nodes: int = 1
    workers: int = 0
    threads: int = 0

    @property
    def checkpoint(self) -> Path:
        """The file from which a run is resumed."""
        return self.out / CHECKPOINT

    @property
    def torch_device(self) -> str:
        """Torch's name of the device for what is computed outside of the training."""
        return torch_device('cpu' if self.accelerator == 'cpu' else 'auto')

    def check(self) -> None:
        """Refuse values out of range, and to resume what is not there, before anything is read.

        Raises:
            LabError: A value cannot be used, or there is no checkpoint.
        """
        self.check_values()
        if self.resume and not self.checkpoint.is_file():
            msg = f'there is no checkpoint {self.checkpoint} to resume: start without --resume'
            raise LabError(msg)

    def check_values(self) -> None:
        """Refuse values out of range.

        Raises:
            LabError: One is; says which, and what is expected.
        """
        counted = self.devices.isdecimal() and int(self.devices) > 0
        for name, good, expected in (
            ('devices', self.devices == 'auto' or counted, "'auto' or a number from 1 on"),
            ('seed', 0 <= self.seed <= LARGEST_SEED, f'0 to {LARGEST_SEED}'),
            # Not <= 0: NaN is no time either.
            ('max_minutes', self.max_minutes is None or self.max_minutes > 0, 'more than 0'),
            ('nodes', self.nodes >= 1, 'at least 1'),
            ('workers', self.workers >= 0, 'at least 0'),
            ('threads', self.threads >= 0, 'at least 0'),
        ):
            if not good:
                option = name.replace('_', '-')
                msg = f'received --{option} {getattr(self, name)}, expected {expected}'
                raise LabError(msg)

    def limit_threads(self) -> None:
        """Keep OpenCV on one thread, and torch on `threads` of them."""
        import cv2
        import torch

        cv2.setNumThreads(1)
        if self.threads:
            torch.set_num_threads(self.threads)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `run_settings` reads."""
    parser.add_argument('--config', type=Path, required=True, help='the recipe, a YAML file')
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for checkpoints and weights'
    )
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument(
        '--max-minutes', type=float, help='end the schedule after this time at the latest'
    )
    parser.add_argument(
        '--resume', action='store_true', help='continue from the last checkpoint in --out'
    )
    parser.add_argument(
        '--devices', default='auto', help='number of devices per machine (default: auto)'
    )
    parser.add_argument('--accelerator', default='auto', choices=('auto', 'cpu', 'gpu', 'mps'))
    parser.add_argument(
        '--nodes', type=int, default=1, help='machines, each started by torchrun (default: 1)'
    )
    parser.add_argument(
        '--workers', type=int, default=0, help='loader processes (default: 0, in the main one)'
    )
    parser.add_argument('--threads', type=int, default=0, help="CPU threads (0: torch's own)")


def run_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of `RunSettings` from parsed arguments."""
    names = RunSettings.__dataclass_fields__
    return {name: getattr(arguments, name) for name in names}


def is_first_process() -> bool:
    """Tell whether this process writes results: the others of a distributed run do not."""
    return os.environ.get('RANK', os.environ.get('LOCAL_RANK', '0')) == '0'
