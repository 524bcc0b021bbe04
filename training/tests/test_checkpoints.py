# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints are there whole or not at all, and what is no checkpoint is said to be none."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, Any

import pytest
import torch

from anomaly_seg_training.checkpoints import WholeCheckpoints
from anomaly_seg_training.errors import LabError

STATE: dict[str, Any] = {
    'pytorch-lightning_version': '2.5.0', 'state_dict': {'weight': torch.arange(1000.0)},
    'seconds': 1.5,
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A whole checkpoint."""
    WholeCheckpoints().save_checkpoint(STATE, tmp_path / 'last.ckpt')
    return tmp_path / 'last.ckpt'


def test_what_is_saved_is_loaded(path: Path) -> None:
    content = WholeCheckpoints().load_checkpoint(path)
    assert content['seconds'] == 1.5
    assert torch.equal(content['state_dict']['weight'], STATE['state_dict']['weight'])


def test_a_failure_while_saving_leaves_the_one_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = path.read_bytes()

    def broken(content: Any, file: IO[bytes]) -> None:
        file.write(whole[:100])
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', broken)
    with pytest.raises(OSError, match='No space left'):
        WholeCheckpoints().save_checkpoint(STATE, path)
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]


def test_the_systems_temporary_folder_is_not_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be on another disk, from which nothing can be renamed over a file."""
    monkeypatch.setattr(tempfile, 'tempdir', str(path.parent / 'absent'))
    WholeCheckpoints().save_checkpoint({**STATE, 'seconds': 2.5}, path)
    assert WholeCheckpoints().load_checkpoint(path)['seconds'] == 2.5


@pytest.mark.parametrize('length', [0, 1, 100, 0.5, 0.99])
def test_a_cut_checkpoint_is_a_clear_error(path: Path, length: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(length if length >= 1 else length * len(whole))])
    with pytest.raises(LabError, match=r'cannot resume from .*last.ckpt \(.*\): put back a whole'):
        WholeCheckpoints().load_checkpoint(path)


@pytest.mark.parametrize(
    'content', [{'weight': torch.zeros(3)}, torch.zeros(3), {**STATE, 'a': print}]
)
def test_other_files_are_a_clear_error(path: Path, content: Any) -> None:
    torch.save(content, path)
    with pytest.raises(LabError) as error:
        WholeCheckpoints().load_checkpoint(path)
    assert 'or start without --resume' in str(error.value)
    assert '\n' not in str(error.value)
