# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a result came from: command without private paths, commit, dirtiness, versions, date."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

import anomaly_seg_ros
from anomaly_seg_ros.provenance import command_line, git_state, provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ('-c', 'user.name=a', '-c', 'user.email=a@b')
    done = subprocess.run(
        ['git', *identity, '-C', str(folder), *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one committed file in a folder."""
    if shutil.which('git') is None:
        pytest.skip('git is not installed')
    folder = tmp_path / 'checkout'
    (folder / 'package').mkdir(parents=True)
    (folder / 'package' / 'code.py').write_text('one = 1\n')
    (folder / 'docs').mkdir()
    (folder / 'docs' / 'result.json').write_text('{}')
    git(folder, 'init', '--quiet')
    git(folder, 'add', 'package', 'docs')
    git(folder, 'commit', '--quiet', '--message', 'one')
    return folder


def test_says_what_a_result_needs() -> None:
    found = provenance(['evaluate', '--seed', '3'], seed=3, program='anomaly-seg-lab')
    assert json.loads(json.dumps(found)) == found
    assert found['command'] == 'anomaly-seg-lab evaluate --seed 3'
    assert found['seed'] == 3
    assert found['versions']['anomaly_seg_ros'] == anomaly_seg_ros.__version__
    assert found['versions']['numpy'] == np.__version__
    age = datetime.now(timezone.utc) - datetime.fromisoformat(found['date'])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_command_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('sys.argv', ['/somewhere/bin/anomaly-seg-lab', 'evaluate', '--data', 'd'])
    assert command_line() == 'anomaly-seg-lab evaluate --data d'


def test_publishes_no_folder_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ['--a', str(tmp_path / 'in side'), '--b=/home/me/data', '../up/data', '~/run', 'x/y']
    assert command_line(words, 'bench/live.py') == (
        "python bench/live.py --a 'in side' --b=data data run x/y"
    )
    assert command_line([], str(tmp_path / 'bench' / 'live.py')) == 'python bench/live.py'


def test_values_that_are_no_paths_stay() -> None:
    words = ['--size', '1024x512', '--frames', '-1', '--text', 'a b', '--option=k=1/2', '3/4']
    assert command_line(words, 'p') == (
        "p --size 1024x512 --frames -1 --text 'a b' --option=k=1/2 3/4"
    )


def test_commit_and_dirtiness(checkout: Path) -> None:
    commit = git(checkout, 'rev-parse', 'HEAD')
    assert git_state(checkout / 'package') == {'commit': commit, 'dirty': False}
    (checkout / 'untracked.json').write_text('{}')
    (checkout / 'docs' / 'result.json').write_text('{"new": 1}')
    assert git_state(checkout / 'package') == {'commit': commit, 'dirty': False}
    (checkout / 'package' / 'code.py').write_text('one = 2\n')
    assert git_state(checkout / 'package') == {'commit': commit, 'dirty': True}


def test_no_commit_outside_a_checkout(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None


def test_an_environment_inside_a_checkout_is_no_part_of_it(checkout: Path) -> None:
    installed = checkout / '.venv' / 'package'
    installed.mkdir(parents=True)
    (installed / 'code.py').write_text('')
    assert git_state(installed) is None


def test_no_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('PATH', '')
    assert git_state(checkout) is None
