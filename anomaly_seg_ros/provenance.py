# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a result came about: command, seed, code, software, time."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from anomaly_seg_ros.demo.versions import versions

_PACKAGE = Path(__file__).resolve().parent
_GIT_SECONDS = 20


def provenance(
    arguments: Sequence[str] | None = None, *, seed: int | None = None, program: str | None = None
) -> dict[str, Any]:
    """Return what a stored result must say of its origin, for JSON.

    Args:
        arguments: Of the command line, without the program; those of this process when None.
        seed: Of all random draws; None where nothing is drawn.
        program: The program; that of this process when None.

    Returns:
        ``command``; ``seed``; ``git``, see `git_state`; ``versions`` of packages; ``date`` in UTC.
    """
    return {
        'command': command_line(arguments, program),
        'seed': seed,
        'git': git_state(_PACKAGE),
        'versions': versions(),
        'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
    }


def command_line(arguments: Sequence[str] | None = None, program: str | None = None) -> str:
    """Return the command line as a shell takes it, without where this machine keeps its files.

    Paths inside the working folder are written relative to it. Of other absolute paths, and of
    paths that leave the folder, only the last part is kept: results are published, names of users
    and folders are not.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = sys.argv[0] if program is None else program
    head = ['python', _published(name)] if name.endswith('.py') else [Path(name).name]
    return shlex.join([*head, *(_published_word(word) for word in words)])


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and dirtiness of the checkout that `folder` is part of.

    Returns:
        ``commit`` (hexadecimal) and ``dirty``: a file under version control differs from it,
        documents aside, among which results are stored. None where git is missing, or `folder`
        lies in no checkout or is not part of it, as a package in an ignored environment.
    """
    commit = _git(folder, 'rev-parse', '--verify', 'HEAD')
    if commit is None or not _git(folder, 'ls-files', '.'):
        return None
    code = (':(top)', ':(top,exclude)docs')
    changes = _git(folder, 'status', '--porcelain', '--untracked-files=no', '--', *code)
    return {'commit': commit, 'dirty': changes is None or bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ['git', '-C', str(folder), *arguments],
            capture_output=True, text=True, check=True, timeout=_GIT_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _published_word(word: str) -> str:
    option, equals, value = word.partition('=')
    if word.startswith('-') and equals:
        return f'{option}={_published(value)}'
    return _published(word)


def _published(word: str) -> str:
    path = Path(word)
    if not path.is_absolute() and '..' not in path.parts and not word.startswith('~'):
        return word
    try:
        return str(path.expanduser().resolve().relative_to(Path.cwd().resolve()))
    except (ValueError, OSError, RuntimeError):
        return path.name
