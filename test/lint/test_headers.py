# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every source file names its copyright and its licence, and the versions agree."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import anomaly_seg_ros

HEADER = '# Copyright 2026 The anomaly_seg_ros authors\n# SPDX-License-Identifier: Apache-2.0\n'
FOLDERS = ('anomaly_seg_ros', 'bench', 'launch', 'test', 'training')


def _sources(repository: Path) -> list[Path]:
    return [
        path
        for folder in FOLDERS
        for path in sorted((repository / folder).rglob('*.py'))
        if not {'build', '.venv'} & set(path.relative_to(repository).parts)
    ]


def test_every_python_file_starts_with_the_licence(repository: Path) -> None:
    sources = _sources(repository)
    assert len(sources) > 30
    bare = [str(path) for path in sources if not path.read_text('utf-8').startswith(HEADER)]
    assert bare == []


def test_the_version_is_the_same_everywhere(repository: Path) -> None:
    package = ET.parse(repository / 'package.xml').getroot()
    assert package.findtext('version') == anomaly_seg_ros.__version__
    assert package.findtext('name') == 'anomaly_seg_ros'
    assert re.fullmatch(r'\d+\.\d+\.\d+', anomaly_seg_ros.__version__)


def test_every_package_folder_is_a_package(repository: Path) -> None:
    root = repository / 'anomaly_seg_ros'
    folders = {path.parent for path in root.rglob('*.py')}
    # setuptools leaves a folder without __init__.py out of the installation without a word.
    assert [str(f) for f in sorted(folders) if not (f / '__init__.py').is_file()] == []


def test_nothing_large_or_built_is_committed(repository: Path) -> None:
    git = ['git', '-C', str(repository), 'ls-files', '-z']
    listing = subprocess.run(git, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip('not a git checkout')
    files = [repository / name for name in listing.stdout.split('\0') if name]
    large = [str(f) for f in files if f.is_file() and f.stat().st_size > 10 * 2**20]
    assert large == []
    suffixes = {'.pyc', '.so', '.whl', '.ckpt', '.pth', '.db3', '.mcap'}
    assert [str(f) for f in files if f.suffix in suffixes] == []
