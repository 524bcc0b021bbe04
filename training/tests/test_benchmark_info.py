# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command info, and the protocols by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import benchmark_layouts as layouts

from anomaly_seg_ros.metrics import AnomalyResult, ComponentRule
from anomaly_seg_training.benchmark import (
    BENCHMARKS,
    PROTOCOLS,
    Protocol,
    inspect,
    open_benchmark,
)
from anomaly_seg_training.main import main


def test_without_a_name_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['info']) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in (*BENCHMARKS, *PROTOCOLS):
        assert any(line.split()[0] == name for line in lines)


@pytest.mark.parametrize('name', sorted(BENCHMARKS))
def test_without_a_folder_it_tells_where_to_get_it(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(['info', '--dataset', name]) == 0
    out = capsys.readouterr().out
    benchmark = BENCHMARKS.get(name)
    assert benchmark.title in out
    for text in (*benchmark.unpack, *benchmark.layout, benchmark.labels):
        assert text in out
    for archive in benchmark.archives:
        assert archive.url in out
        assert archive.checksum in out
    assert '  files ' in out


def test_unknown_names_are_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['info', '--dataset', 'kitti']) == 2
    error = capsys.readouterr().err
    assert "unknown benchmark 'kitti'; choose one of: " in error
    assert all(name in error for name in BENCHMARKS)


@pytest.mark.parametrize(
    'arguments',
    [['--root', '.'], ['--json', 'x.json'], ['--dataset', 'folder', '--json', 'x.json']],
)
def test_arguments_that_lack_another_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['info', *arguments]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_gets_the_guide_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'pictures').mkdir()
    assert main(['info', '--dataset', 'cityscapes', '--root', str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert 'unzip gtFine_trainvaltest.zip' in captured.out
    assert f"{tmp_path} holds ['pictures'], expected leftImg8bit/" in captured.err
    assert 'anomaly-seg-lab info --dataset cityscapes' in captured.err


def test_counts_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layouts.road_anomaly_val(tmp_path)
    out = tmp_path / 'info.json'
    arguments = ['info', '--dataset', 'road_anomaly_val', '--root', str(tmp_path)]
    assert main([*arguments, '--json', str(out)]) == 0
    content = json.loads(out.read_text())
    assert [s['set'] for s in content['sets']] == ['FS_LostFound_full', 'RoadAnomaly', 'fs_static']
    first = content['sets'][0]
    # Columns 0, 1, 255 in turn in one image; 0, 255 in the other; 12 columns of 8 pixels.
    assert first['labels'] == [
        {'value': 0, 'name': 'normal', 'pixels': 8 * (4 + 6)},
        {'value': 1, 'name': 'anomaly', 'pixels': 8 * 4},
        {'value': 255, 'name': 'ignored', 'pixels': 8 * (4 + 6)},
    ]
    assert first['pixels'] == {'normal': 80, 'anomalous': 32, 'ignored': 80}
    assert (first['images'], first['published_images']) == (2, 100)
    assert first['images_without_anomaly'] == ['FS_LostFound_full/2']
    assert first['sizes'] == {'12x8': 2}
    assert first['version'] == open_benchmark('road_anomaly_val', tmp_path)[0].version
    text = capsys.readouterr().out
    assert '2 of the published 100' in text
    assert 'missing    98 images' in text
    assert 'all normal 1 images: 2' in text
    assert f'value 2    {96:>14,} pixels  50.0000 %  anomaly' in text


@pytest.mark.parametrize('name', sorted(layouts.LAYOUTS))
def test_every_layout_is_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    layouts.LAYOUTS[name](tmp_path / name)
    assert main(['info', '--dataset', name, '--root', str(tmp_path / name)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ''
    for s in open_benchmark(name, tmp_path / name):
        report = inspect(s)
        assert s.version in captured.out
        assert report.normal + report.anomalous + report.ignored == len(s) * 96
        assert sum(report.labels.values()) == len(s) * 96
        assert bool(report.anomalous) == s.unknowns


@pytest.mark.shared_data
def test_counts_of_the_project_data(shared_data: Path) -> None:
    sets = open_benchmark('road_anomaly_val', shared_data / 'road_anomaly_val')
    first = sets[1]
    report = inspect(replace(first, items=first.items[:2]))
    assert report.problems == ()
    assert set(report.labels) == {0, 2}
    assert report.normal + report.anomalous == 2 * 1280 * 720
    (item,) = (item for item in sets[0] if item.name == 'FS_LostFound_full/82')
    assert inspect(replace(sets[0], items=(item,))).without_anomaly == (item.name,)


def test_protocols_say_what_the_sources_say() -> None:
    assert PROTOCOLS.names() == [
        'fishyscapes', 'smiyc-anomaly', 'smiyc-obstacle', 'caos', 'lost-and-found',
    ]  # fmt: skip
    table = {name: PROTOCOLS.get(name) for name in PROTOCOLS}
    assert {name for name, p in table.items() if not p.pooled} == {'caos'}
    assert {name: p.fpr_rule for name, p in table.items() if p.fpr_rule != 'first'} == {
        'caos': 'caos'
    }
    assert {name: p.components for name, p in table.items() if p.components} == {
        'smiyc-anomaly': ComponentRule(500, 100),
        'smiyc-obstacle': ComponentRule(50, 10),
        'lost-and-found': ComponentRule(50, 10),
    }
    assert {name for name, p in table.items() if p.score_dtype == 'float16'} == {
        'smiyc-anomaly', 'smiyc-obstacle', 'lost-and-found',
    }  # fmt: skip
    assert {name for name, p in table.items() if p.region == 'road'} == {
        'smiyc-obstacle', 'lost-and-found',
    }  # fmt: skip
    for name, protocol in table.items():
        assert protocol.name == name
        assert json.loads(json.dumps(protocol.as_dict()))['source'] == protocol.source
        assert protocol.fpr_field in AnomalyResult.__dataclass_fields__


def test_caos_counts_ignored_pixels_as_normal_and_others_do_not() -> None:
    target = np.array([[0, 1, 255]], np.uint8)
    for name in PROTOCOLS:
        expected = [0, 1, 0] if name == 'caos' else [0, 1, 255]
        counted = PROTOCOLS.get(name).target(target)
        assert (counted[0].tolist(), counted.dtype) == (expected, np.uint8)
    assert target[0].tolist() == [0, 1, 255]


def test_scores_are_rounded_as_the_protocol_stores_them() -> None:
    score = np.array([1 / 3], np.float32)
    assert PROTOCOLS.get('fishyscapes').score(score) is score
    rounded = PROTOCOLS.get('smiyc-anomaly').score(score)
    assert rounded.dtype == np.float16


def test_doubts_name_region_protocol_and_missing_images(tmp_path: Path) -> None:
    layouts.road_anomaly_val(tmp_path)
    lost, anomaly, _ = open_benchmark('road_anomaly_val', tmp_path)
    doubts = PROTOCOLS.get('lost-and-found').doubts(lost)
    assert len(doubts) == 3
    assert 'labelled on the scene, lost-and-found is about the road' in doubts[0]
    assert 'published by the protocol fishyscapes' in doubts[1]
    assert doubts[2] == 'FS_LostFound_full has 2 images, the published set 100'
    complete = replace(anomaly, published=2)
    assert PROTOCOLS.get('fishyscapes').doubts(complete) == []


@pytest.mark.parametrize('field', ['fpr_rule', 'ignored', 'region', 'score_dtype'])
def test_rules_that_nothing_understands_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=r"received 'other', expected one of"):
        replace(PROTOCOLS.get('caos'), **{field: 'other'})
    assert isinstance(PROTOCOLS.get('caos'), Protocol)


def test_the_document_names_every_data_set_and_protocol() -> None:
    repository = Path(__file__).resolve().parent.parent.parent
    text = (repository / 'docs' / 'datasets.md').read_text('utf-8')
    assert [name for name in (*BENCHMARKS, *PROTOCOLS) if f'| `{name}` |' not in text] == []
