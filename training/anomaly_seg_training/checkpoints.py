# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How checkpoints are written and read: whole or not at all, and never any code."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from anomaly_seg_ros.files import atomic_path
from anomaly_seg_training.errors import LabError

_UNREADABLE = (
    pickle.UnpicklingError, struct.error, RuntimeError, EOFError, OSError, ValueError, LookupError,
    TypeError, AttributeError,
)  # fmt: skip
"""What `torch.load` raises for files that are cut or otherwise not whole."""
_KEYS = {'pytorch-lightning_version', 'state_dict', 'seconds'}
"""Of every checkpoint of a run: Lightning's, and `TimedModule`'s."""


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that replace the one before when they are whole.

    Lightning's own come from the system's temporary folder; where that is on another disk they are
    copied over the one before, and a kill leaves neither.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint beside its path, then rename it."""
        del storage_options
        # By a handle: of a path, torch would keep the temporary name in the file.
        with atomic_path(path) as temporary, temporary.open('wb') as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = 'cpu', weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint of a run; files that hold code are refused, whatever is asked for.

        Raises:
            LabError: It cannot be read, or holds something else.
        """
        del weights_only
        try:
            content = torch.load(path, map_location=map_location, weights_only=True)
        except _UNREADABLE as error:
            # What torch says after that is for its developers.
            reason = str(error).splitlines()[0].partition('. ')[0] if str(error) else 'it is cut'
            raise _unusable(path, reason) from error
        if not isinstance(content, dict) or not content.keys() >= _KEYS:
            raise _unusable(path, 'it holds no state of a run')
        return content


def _unusable(path: str | Path, reason: str) -> LabError:
    return LabError(
        f'cannot resume from {path} ({reason}): put back a whole checkpoint, or start without '
        '--resume'
    )
