# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of shrinkages: the figures are the engine's own, and the best pair is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.tiny_bundle import INPUT_SIZE, build_tiny_bundle

from anomaly_seg_ros.bundle import Bundle, write_bundle
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.refinement import Shrinkage
from anomaly_seg_training import shrinkage_table
from anomaly_seg_training.main import main
from anomaly_seg_training.measure import anomaly_figures
from anomaly_seg_training.shrinkage_table import markdown
from anomaly_seg_training.tuning_sets import ROAD_SETS, TUNING_SETS

OUTPUT = 'max_logit+sml+suppress'


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with class statistics that differ."""
    folder = tmp_path_factory.mktemp('bundles')
    plain = Bundle.open(
        build_tiny_bundle(folder / 'plain', refinements=('none', 'sml', 'sml+suppress'))
    )
    table = {
        'count': list(range(19)),
        'mean': [0.5 * label for label in range(19)],
        'std': [1 + 0.3 * label for label in range(19)],
    }
    card = replace(plain.card, statistics={'max_logit': table})
    return write_bundle(folder / 'b', card, {'detector.onnx': plain.file('graph')}).path


def build(bundle: Path, data: Path, out: Path, *words: str) -> int:
    return main([
        'tables', 'shrinkage', '--bundle', str(bundle), '--data', str(data), '--out', str(out),
        '--refinement', 'sml+suppress', '--threads', '1', *words,
    ])  # fmt: skip


def test_figures_are_those_of_an_engine_with_such_a_card(
    bundle: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is resized then, neither here nor in the graph.
    monkeypatch.setattr(shrinkage_table, 'SIZE', INPUT_SIZE)
    file = tmp_path / 'shrinkage.json'
    assert build(bundle, scenes, file, '--means', '0,0.5', '--stds', '0.75', '--images', '2') == 0
    content = json.loads(file.read_text('utf-8'))
    assert content['output'] == OUTPUT
    assert len(content['rows']) == 2 * len(TUNING_SETS)
    for row in content['rows']:
        opened = Bundle.open(bundle)
        card = replace(opened.card, shrinkage=Shrinkage(row['mean'], row['std']))
        engine = load_engine('onnxruntime', Bundle(opened.path, card), threads=1)
        examples = list(TUNING_SETS[row['set']](scenes))[:2]
        expected = anomaly_figures(engine, examples, (OUTPUT,), INPUT_SIZE)[OUTPUT].as_dict()
        engine.close()
        assert {k: row[k] for k in ('auroc', 'ap', 'fpr95')} == pytest.approx(
            {k: expected[k] for k in ('auroc', 'ap', 'fpr95')}, abs=1e-3
        )
    aps: dict[float, float] = {}
    for row in content['rows']:
        aps[row['mean']] = aps.get(row['mean'], 0) + row['ap']
    assert content['best'] == {'mean': max(aps, key=lambda m: aps[m]), 'std': 0.75}


def test_roads_alone(bundle: Path, scenes: Path, tmp_path: Path) -> None:
    words = ('--means', '0.5', '--stds', '0.75', '--images', '1')
    found = []
    for more in ((), ('--roads',)):
        file = tmp_path / f'{len(more)}.json'
        assert build(bundle, scenes, file, *words, *more) == 0
        rows = json.loads(file.read_text('utf-8'))['rows']
        found.append({row['set']: row['auroc'] for row in rows})
    assert list(found[0]) == list(TUNING_SETS)
    assert list(found[1]) == list(ROAD_SETS)
    # The same pictures, of which fewer pixels count.
    assert list(found[1].values()) != list(found[0].values())[:2]


def row(mean: float, ap: float, place: str, bundle: int = 0) -> dict[str, Any]:
    about = {'bundle': bundle, 'name': 'tiny', 'seed': bundle, 'set': place}
    return {**about, 'mean': mean, 'std': 0.0, 'auroc': 0.9, 'ap': ap, 'fpr95': 0.25}


def test_the_page_averages_over_networks_and_sets() -> None:
    rows = [row(0.0, 0.2, 'streets'), row(0.0, 0.4, 'streets', 1), row(0.0, 0.8, 'photographs'),
            row(0.0, 0.8, 'photographs', 1)]  # fmt: skip
    content = {
        'output': OUTPUT, 'size': '1024x512', 'rows': rows, 'best': {'mean': 0.0, 'std': 0.0},
        'provenance': {'command': 'anomaly-seg-lab tables shrinkage'},
    }  # fmt: skip
    text = markdown(content)
    assert '| 0 | 55.0 |' in text
    assert '## Streets: AP / FPR95' in text
    assert '| 0 | 30.0 / 25.0 |' in text
    assert 'tiny (seed 0), tiny (seed 1)' in text


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--refinement', 'suppress'], "refinement 'suppress', expected one with sml"),
        (['--score', 'energy'], 'has no class statistics of energy: calibrate it first'),
        (['--means', 'half'], "received --means 'half', expected numbers from 0 to 1"),
        (['--stds', '2'], 'received the shrinkage 2.0 of the std, expected 0 to 1'),
    ],
)
def test_mistakes(
    bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: list[str], message: str,
) -> None:  # fmt: skip
    out = tmp_path / 'out.json'
    assert build(bundle, data, out, *words) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
