# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run with a time limit whose second process has a clock that is twice as fast.

``torchrun`` starts it with the folder of the results; `test_timed` reads them.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Sized
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.data import Dataset

from anomaly_seg_training import timed
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.run_settings import RunSettings
from anomaly_seg_training.timed import Batch, TimedModule

SCHEDULE = SimpleNamespace(steps=1000, epoch_steps=4, batch=2, precision='32-true')
"""The run's 30 seconds end it long before its steps do."""


class Numbers(Dataset[Batch], Sized):
    """Pairs of random numbers."""

    def __init__(self, length: int, epoch: int) -> None:
        generator = torch.Generator().manual_seed(epoch)
        self.values = torch.randn(length, 2, generator=generator)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Batch:
        return {'values': self.values[index]}


class Line(TimedModule):
    """A linear layer whose rate falls with the progress of the run, and the rates that it had."""

    def __init__(self, steps: int = 6, seed: int = 0, max_minutes: float | None = None) -> None:
        super().__init__(steps, seed, max_minutes, 0.0)
        self.layer = nn.Linear(2, 1)
        self.rates: list[float] = []

    @property
    def trained(self) -> nn.Module:
        return self.layer

    @property
    def exported(self) -> nn.Module:
        return self.layer

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.layer.parameters(), 0.1)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        self.rates.append(0.1 * (1 - self.progress))
        self.set_rates(self.rates[-1])
        return (self.layer(batch['values']) - 1).square().mean()


def main(out: Path) -> None:
    """Train, and write what each process has seen."""
    module = Line(SCHEDULE.steps, max_minutes=0.5)
    run = RunSettings(data=out, out=out, devices='2', accelerator='cpu')
    # The rank is not known before the processes have met.
    looks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(looks) * (1 + module.global_rank)))
    timed.time = clock  # type: ignore[assignment]
    fit(module, SCHEDULE, run, Numbers, [])
    content = {
        'rates': module.rates,
        'seconds': module.seconds,
        'weights': module.layer.weight.detach().flatten().tolist(),
    }
    (out / f'{module.global_rank}.json').write_text(json.dumps(content))


if __name__ == '__main__':
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
