# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's commands that documents show are there, with every option that they are shown with."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from anomaly_seg_training.main import build_parser

_ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    _ROOT / 'README.md',
    _ROOT / 'training' / 'README.md',
    *sorted((_ROOT / 'docs').glob('*.md')),
]


def _shown(text: str) -> list[list[str]]:
    """Return the words after ``anomaly-seg-lab`` of each line of a shell block."""
    found = []
    for block in re.findall(r'```(?:bash)?\n(.*?)```', text, re.DOTALL):
        for line in block.replace('\\\n', ' ').splitlines():
            command, _, _ = line.partition(' #')
            words = command.split()
            if words and words[0].split('/')[-1] == 'anomaly-seg-lab':
                found.append(words[1:])
    return found


def _command(parser: argparse.ArgumentParser, words: list[str]) -> argparse.ArgumentParser:
    """Return the parser that reads the options, after ``train finetune`` and the like."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            assert words, 'a command is missing'
            return _command(action.choices[words[0]], words[1:])
    return parser


def test_documents_show_commands() -> None:
    assert sum(len(_shown(path.read_text('utf-8'))) for path in DOCUMENTS) > 30


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_are_there(document: Path) -> None:
    for words in _shown(document.read_text('utf-8')):
        options = set(_command(build_parser(), words)._option_string_actions)
        unknown = {word for word in words if word.startswith('--')} - options
        assert not unknown, f'{" ".join(words)} in {document.name}'
