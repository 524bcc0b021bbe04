# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page: one file, which the browser itself keeps from loading anything else.

What comes from result files is put into the page once, as JSON in which no character can end the
element around it; the scripts write it into the document as text. A content security policy names
the hashes of the page's own script and style, so that nothing else runs and nothing is fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_seg_ros.files import write_text
from anomaly_seg_ros.render.palette import heat_table
from anomaly_seg_training.errors import LabError

SCRIPTS = ('dom.js', 'tables.js', 'charts.js', 'planes.js', 'gallery.js', 'sections.js', 'main.js')
_OF_CURVES = ('x', 'y', 'thresholds')
_DIGITS = 6


def page(content: dict[str, Any], title: str) -> str:
    """Return the page.

    Args:
        content: What it shows, for JSON; see ``report_command``.
        title: Of the page.
    """
    style = _asset('report.css')
    parts = '\n'.join(_asset(name) for name in SCRIPTS)
    script = f"'use strict';\n(() => {{\n{parts}\n}})();\n"
    heat = base64.b64encode(np.ascontiguousarray(heat_table()).tobytes()).decode('ascii')
    data = json.dumps(_rounded({**content, 'heat': heat, 'title': title}), allow_nan=False)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    values = {
        'title': html.escape(title),
        'policy': html.escape(policy),
        'style': style,
        'script': script,
        'data': _harmless(data),
    }
    # In one pass: what is put in is not searched again.
    return re.sub(r'\{\{(\w+)\}\}', lambda match: values[match[1]], _asset('template.html'))


def write_page(path: Path, text: str) -> None:
    """Write the page, whole or not at all.

    Raises:
        LabError: It cannot be written there.
    """
    try:
        write_text(path, text)
    except OSError as error:
        msg = f'cannot write {path}: {error.strerror or error}'
        raise LabError(msg) from error


def _asset(name: str) -> str:
    return files('anomaly_seg_training.report').joinpath(name).read_text('utf-8')


def _hash(text: str) -> str:
    return 'sha256-' + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')


def _harmless(data: str) -> str:
    """Escape what HTML could take for the end of a script, or for a comment."""
    return data.replace('&', '\\u0026').replace('<', '\\u003c').replace('>', '\\u003e')


def _rounded(value: Any, key: str = '') -> Any:
    """Shorten the many numbers of curves to what can be seen; those of slider and tables stay."""
    if isinstance(value, dict):
        return {name: _rounded(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item, key) for item in value]
    if isinstance(value, float) and key in _OF_CURVES:
        return float(f'{value:.{_DIGITS}g}')
    return value
