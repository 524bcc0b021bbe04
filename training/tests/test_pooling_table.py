# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of poolings: the figures are those of bundles with such streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from safetensors.torch import save_file  # noqa: E402
from support.tiny_bundle import build_tiny_bundle  # noqa: E402
from support.tiny_networks import STREETNET  # noqa: E402

from anomaly_seg_ros.bundle import Bundle, SegmenterSpec, WeightsFile, write_bundle  # noqa: E402
from anomaly_seg_ros.engines import load_engine  # noqa: E402
from anomaly_seg_ros.models import EvidenceStream, create_segmenter  # noqa: E402
from anomaly_seg_ros.refinement import Shrinkage  # noqa: E402
from anomaly_seg_ros.size import Size  # noqa: E402
from anomaly_seg_training import pooling_table  # noqa: E402
from anomaly_seg_training.calibrate import SOURCES, class_statistics, labelled  # noqa: E402
from anomaly_seg_training.main import main  # noqa: E402
from anomaly_seg_training.measure import anomaly_figures  # noqa: E402
from anomaly_seg_training.pooling_table import markdown  # noqa: E402
from anomaly_seg_training.tuning_sets import ROAD_SETS, TUNING_SETS  # noqa: E402

SIZE = Size(128, 64)
REFINED = 'max_logit+sml+suppress'
WAY = ('octaves', 'sharpness', 'mirrored')
OPTIONS = {'base': 'streetnet', 'base_options': STREETNET, 'octaves': 2}

Write = Callable[[SegmenterSpec, dict[str, Any]], Path]


@pytest.fixture(scope='module')
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """A function that writes a bundle without a graph, and says where."""
    folder = tmp_path_factory.mktemp('bundles')
    tiny = build_tiny_bundle(
        folder / 'tiny',
        scores=('energy', 'max_logit'),
        refinements=('none', 'sml+suppress', 'sml+suppress+smooth'),
    )

    def write_one(spec: SegmenterSpec, state: dict[str, Any]) -> Path:
        number = len(list(folder.iterdir()))
        save_file(state, folder / f'{number}.safetensors')
        card = replace(
            Bundle.open(tiny).card, segmenter=spec, graph=None, weights=WeightsFile(),
            input_size=SIZE, shrinkage=Shrinkage(0.5, 0.75), hashes={},
        )  # fmt: skip
        files = {'weights.safetensors': folder / f'{number}.safetensors'}
        return write_bundle(folder / f'b{number}', card, files).path

    return write_one


@pytest.fixture(scope='module')
def bundle(write: Write) -> Path:
    """A bundle whose stream knows something of its own."""
    torch.manual_seed(0)
    network = create_segmenter('evidence_stream', num_classes=19, **OPTIONS)
    assert isinstance(network, EvidenceStream)
    with torch.no_grad():
        for parameter in network.stream.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return write(SegmenterSpec('evidence_stream', OPTIONS), state)


def build(bundle: Path, data: Path, out: Path, *words: str) -> int:
    return main([
        'tables', 'pooling', '--bundle', str(bundle), '--data', str(data), '--out', str(out),
        '--threads', '1', *words,
    ])  # fmt: skip


def test_figures_are_those_of_bundles_with_such_streams(
    bundle: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling_table, 'SIZE', SIZE)
    file, outputs, sets = tmp_path / 'pooling.json', ('energy', REFINED), TUNING_SETS | ROAD_SETS
    words = ('--octaves', '1,2', '--sharpnesses', '0,50', '--mirrored', '--images', '2',
             '--outputs', ','.join(outputs))  # fmt: skip
    assert build(bundle, scenes, file, *words) == 0
    content = json.loads(file.read_text('utf-8'))
    assert len(content['rows']) == 8 * len(outputs) * len(sets)
    found: dict[tuple[int, float, bool], list[float]] = {}
    for way in ((1, 0.0, False), (2, 0.0, False), (2, 50.0, False), (2, 0.0, True)):
        opened = Bundle.open(bundle)
        pooling = dict(zip(WAY, way, strict=True))
        spec = SegmenterSpec('evidence_stream', {**OPTIONS, **pooling})
        card = replace(opened.card, segmenter=spec)
        engine = load_engine('torch', Bundle(opened.path, card), device='cpu', threads=1)
        taken = class_statistics(engine, labelled(dict.fromkeys(SOURCES, 1.0), scenes))
        card = replace(card, statistics=taken)
        engine = load_engine('torch', Bundle(opened.path, card), device='cpu', threads=1)
        for place, read in sets.items():
            results = anomaly_figures(engine, list(read(scenes))[:2], outputs, SIZE)
            for output in outputs:
                wanted = (*way, output, place)
                keys = (*WAY, 'output', 'set')
                (row,) = (r for r in content['rows'] if tuple(r[key] for key in keys) == wanted)
                expected = results[output].as_dict()
                for key in ('auroc', 'ap', 'fpr95'):
                    assert row[key] == pytest.approx(expected[key], abs=1e-3), (key, row)
                    found.setdefault(way, []).append(row[key])
    # The ways differ in what is found, so that equality above says something.
    for way in ((1, 0.0, False), (2, 50.0, False), (2, 0.0, True)):
        assert float(np.abs(np.subtract(found[2, 0.0, False], found[way])).max()) > 0.001


def row(sharpness: float, ap: float, place: str, bundle: int = 0) -> dict[str, Any]:
    about = {'bundle': bundle, 'name': 'tiny', 'seed': bundle, 'set': place, 'output': 'energy'}
    return {
        **about,
        'octaves': 3,
        'sharpness': sharpness,
        'mirrored': False,
        'auroc': 0.9,
        'ap': ap,
        'fpr95': 0.25,
    }


def test_the_page_averages_over_networks() -> None:
    rows = [
        row(0.0, 0.2, 'streets'), row(0.0, 0.4, 'streets', 1),
        row(0.0, 0.7, 'roads'), row(0.0, 0.9, 'roads', 1),
        row(0.5, 0.9, 'streets'), row(0.5, 0.9, 'roads'),
    ]  # fmt: skip
    content = {
        'outputs': ['energy'], 'size': '1024x512', 'rows': rows,
        'provenance': {'command': 'anomaly-seg-lab tables pooling'},
    }  # fmt: skip
    text = markdown(content)
    assert '| octaves | sharpness | mirrored | streets | roads |' in text
    assert '| 3 | 0 | no | 30.0 / 25.0 | 80.0 / 25.0 |' in text
    assert '| 3 | 0.5 | no | 90.0 / 25.0 | 90.0 / 25.0 |' in text
    assert 'tiny (seed 0), tiny (seed 1)' in text


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--sharpnesses', 'all'], "received --sharpnesses 'all', expected numbers joined"),
        (['--octaves', '1.5'], "received --octaves '1.5', expected numbers joined by commas"),
        (['--octaves', '5'], 'received 5 octaves, expected 1 to 4'),
        (['--sharpnesses', '-1'], 'received the sharpness -1.0, expected a finite number from 0'),
        (['--outputs', 'odin'], "offers no output 'odin'"),
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


def test_a_bundle_without_such_a_stream(
    write: Write, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = create_segmenter('streetnet', num_classes=19, **STREETNET)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    alone = write(SegmenterSpec('streetnet', STREETNET), state)
    assert build(alone, data, tmp_path / 'out.json', '--outputs', 'energy') == 2
    assert 'has no second stream: fine-tune one' in capsys.readouterr().err
