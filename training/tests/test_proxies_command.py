# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command that shows proxies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anomaly_seg_ros.images import read_image
from anomaly_seg_training.main import main

Save = Callable[[Path, np.ndarray], None]


@pytest.fixture
def photographs(tmp_path: Path, save: Save) -> list[str]:
    """Two photographs with a cow each; returns the arguments that name them."""
    content: dict[str, list[dict[str, object]]] = {
        'images': [], 'annotations': [], 'categories': [{'id': 21, 'name': 'cow'}],
    }  # fmt: skip
    for number in range(2):
        picture = np.random.default_rng(number).integers(0, 256, (120, 160, 3), np.uint8)
        save(tmp_path / 'p' / f'{number}.png', picture)
        content['images'].append({'id': number, 'file_name': f'{number}.png'})
        corners = [20, 20, 90, 20, 90, 90, 20, 90]
        content['annotations'].append({
            'image_id': number, 'category_id': 21, 'segmentation': [corners], 'area': 5041,
        })  # fmt: skip
    file = tmp_path / 'a.json'
    file.write_text(json.dumps(content))
    return ['--annotations', str(file), '--images', str(tmp_path / 'p')]


@pytest.mark.parametrize(('show', 'columns'), [('aligners', 7), ('mixers', 6), ('objects', 2)])
def test_writes_a_page(
    data: Path, photographs: list[str], tmp_path: Path, show: str, columns: int
) -> None:
    out = tmp_path / 'page.png'
    arguments = ['proxies', '--data', str(data), '--out', str(out), '--show', show, '--rows', '2']
    assert main([*arguments, *photographs]) == 0
    page = read_image(out)
    assert page.shape[1] == columns * 248 + 8
    # Every column shows something.
    for column in range(columns):
        part = page[40:, 8 + column * 248 : 248 + column * 248]
        assert part.std() > 10
    again = tmp_path / 'again.png'
    arguments[4] = str(again)
    assert main([*arguments, *photographs]) == 0
    assert again.read_bytes() == out.read_bytes()


def test_scenes_may_be_any_frames(data: Path, photographs: list[str], tmp_path: Path) -> None:
    out = tmp_path / 'page.png'
    scenes = data / 'camvid' / 'train' / 'images'
    arguments = ['proxies', '--data', str(data), '--out', str(out), '--scenes', str(scenes)]
    assert main([*arguments, *photographs]) == 0
    assert read_image(out).std() > 10


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--rows', '0'], 'expected at least 1'),
        (['--images', 'x'], 'expected both or none'),
        (['--scenes', 'nowhere'], 'nowhere'),
        (['--adain', 'nothing.safetensors'], 'nothing.safetensors'),
        (['--issa', 'nothing.safetensors'], 'nothing.safetensors'),
        (['--annotations', 'nothing.json', '--images', 'x'], 'nothing.json'),
        (['--out', 'page.txt'], r'ends in .png'),
    ],
)
def test_says_what_is_wrong(
    data: Path, photographs: list[str], tmp_path: Path, more: list[str], message: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = [] if '--images' in more else photographs
    arguments = ['proxies', '--data', str(data), '--out', 'page.png', *given, *more]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob('*page*'))
