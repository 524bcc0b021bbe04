# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Links between documents lead somewhere, and the commands that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anomaly_seg_ros.cli.main import COMMANDS

_ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    'README.md',
    'CONTRIBUTING.md',
    'training/README.md',
    *(f'docs/{path.name}' for path in sorted((_ROOT / 'docs').glob('*.md'))),
)


@pytest.mark.parametrize('name', DOCUMENTS)
def test_links_lead_to_files(repository: Path, name: str) -> None:
    document = repository / name
    targets = re.findall(r'\]\(([^)#\s]+)', document.read_text('utf-8'))
    local = [target for target in targets if '://' not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize('name', DOCUMENTS)
def test_commands_exist(repository: Path, name: str) -> None:
    text = (repository / name).read_text('utf-8')
    named = set(re.findall(r'anomaly-seg ([a-z]+)', text))
    assert named <= set(COMMANDS)


def test_the_readme_names_every_launch_file(repository: Path) -> None:
    text = (repository / 'README.md').read_text('utf-8')
    files = {path.name for path in (repository / 'launch').glob('*.launch.py')}
    assert files == set(re.findall(r'\w+\.launch\.py', text))
