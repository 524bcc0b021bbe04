# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``info`` on a real bundle."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from anomaly_seg_ros.bundle import Bundle, Card
from anomaly_seg_ros.cli.main import main


def test_text_names_what_a_user_needs(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['info', str(tiny_bundle)]) == 0
    text = capsys.readouterr().out
    assert text.startswith('tiny: Gives each pixel the class with the nearest colour')
    for line in (
        'input size +64x32',
        'classes +19: road, sidewalk',
        'score +max_logit',
        'refinements +none',
        'statistics +none$',
        r'threshold +8 \(chosen for tests\)',
        'score range +0 to 30',
        'licence: weights +Apache-2.0',
        r'files +detector.onnx \(\d+\.\d MB\)',
    ):
        assert re.search(rf'^  {line}', text, re.MULTILINE), line


def test_what_was_calibrated_is_named(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / 'copy')
    content = json.loads((copy / 'card.json').read_text())
    content['refinements'] = ['none', 'sml', 'suppress']
    (copy / 'card.json').write_text(json.dumps(content))
    assert main(['info', str(copy)]) == 0
    text = capsys.readouterr().out
    assert re.search('^  refinements +none, sml, suppress$', text, re.MULTILINE)
    assert 'run anomaly-seg calibrate' in text
    table = {'count': [1] * 19, 'mean': [0.0] * 19, 'std': [1.0] * 19}
    content['statistics'] = {'max_logit': table}
    entry = {'threshold': 2.5, 'method': 'for tests', 'score_range': [0, 5]}
    content['calibration'] = {'max_logit+sml': entry}
    (copy / 'card.json').write_text(json.dumps(content))
    assert main(['info', str(copy)]) == 0
    text = capsys.readouterr().out
    assert re.search('^  statistics +of max_logit$', text, re.MULTILINE)
    content['shrinkage'] = {'mean': 0.5, 'std': 0.75}
    (copy / 'card.json').write_text(json.dumps(content))
    assert main(['info', str(copy)]) == 0
    drawn = 'shrinkage 0.5 of means, 0.75 of deviations'
    assert f'of max_logit, {drawn}' in capsys.readouterr().out
    assert re.search(r'^  calibrated +max_logit\+sml: threshold 2.5$', text, re.MULTILINE)


def test_json_is_the_card(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['info', str(tiny_bundle), '--json']) == 0
    content = json.loads(capsys.readouterr().out)
    assert Card.from_json(content) == Bundle.open(tiny_bundle).card


def test_no_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['info', str(tmp_path)]) == 2
    assert 'has no file card.json' in capsys.readouterr().err
