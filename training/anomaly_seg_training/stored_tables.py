# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results as JSON, with the Markdown beside them that can be written again from it alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from anomaly_seg_ros.files import write_json, write_text
from anomaly_seg_training.errors import LabError

Markdown = Callable[[dict[str, Any]], str]

# Modules are imported when they are needed: most of them import torch.
_BY_KIND = {
    '': ('refinement_markdown', 'markdown'),
    'pilot': ('pilot.table', 'table'),
    'pooling': ('pooling_table', 'markdown'),
    'seeds': ('seeds', 'markdown'),
    'shrinkage': ('shrinkage_table', 'markdown'),
    'synboost': ('synboost.ablation', 'markdown'),
}


def read_table(path: Path) -> dict[str, Any]:
    """Return what a table's .json file holds.

    Raises:
        LabError: It cannot be read, or holds no object.
    """
    try:
        content = json.loads(path.read_text('utf-8'))
    except (OSError, ValueError) as error:
        msg = f'cannot read the table {path} ({error}): give a .json file of a table'
        raise LabError(msg) from error
    if not isinstance(content, dict):
        msg = f'{path} holds no table: give the .json file of one'
        raise LabError(msg)
    return content


def write_table(path: Path, content: dict[str, Any], markdown: Markdown) -> str:
    """Write a .json file and its .md beside it; return the latter's text."""
    write_json(path, content)
    return write_beside(path, content, markdown)


def write_beside(path: Path, content: dict[str, Any], markdown: Markdown) -> str:
    """Write the .md beside a .json file; return its text."""
    text = markdown(content)
    write_text(path.with_suffix('.md'), text)
    return text


def markdown_of(content: dict[str, Any]) -> Markdown:
    """Return what turns a stored table of this kind into Markdown.

    Raises:
        LabError: Nothing does.
    """
    kind = content.get('kind', '')
    if kind not in _BY_KIND:
        known = ', '.join(name for name in _BY_KIND if name)
        msg = (
            f'received a table of the kind {kind!r}, expected one of {known}: ablations have a '
            'command of their own, tables ablations'
        )
        raise LabError(msg)
    module, function = _BY_KIND[kind]
    found: Markdown = getattr(import_module(f'anomaly_seg_training.{module}'), function)
    return found
