# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stored results and the pages beside them: each page is what its command makes today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from anomaly_seg_training.main import main

RESULTS = Path(__file__).resolve().parents[2] / 'docs' / 'results'
KINDS = ('pilot', 'pooling', 'seeds', 'shrinkage', 'synboost')
STORED = [
    file for file in sorted(RESULTS.glob('*.json'))
    if json.loads(file.read_text('utf-8')).get('kind') in KINDS
]  # fmt: skip


@pytest.mark.parametrize('file', STORED, ids=lambda file: file.stem)
def test_pages_are_what_their_results_say(file: Path, tmp_path: Path) -> None:
    copy = shutil.copy(file, tmp_path)
    assert main(['tables', 'markdown', str(copy)]) == 0
    made = Path(copy).with_suffix('.md').read_text('utf-8')
    assert made == file.with_suffix('.md').read_text('utf-8')


def test_a_table_of_an_unknown_kind_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'a.json').write_text('{"kind": "finetune_ablations"}')
    assert main(['tables', 'markdown', str(tmp_path / 'a.json')]) == 2
    assert 'ablations have a command of their own, tables ablations' in capsys.readouterr().err
    assert not (tmp_path / 'a.md').exists()


def test_every_kind_is_stored() -> None:
    assert {json.loads(file.read_text('utf-8'))['kind'] for file in STORED} == set(KINDS)
