# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outlines of COCO: polygons, runs, compressed runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_seg_training.data import DataError
from anomaly_seg_training.data.coco_instances import (
    area_of,
    decompress_runs,
    draw_runs,
    mask_of,
    read_annotations,
)

MASKS = arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 1)
)


def runs_of(mask: np.ndarray) -> list[int]:
    """Count zeros and ones in turn, pixel by pixel, down the columns."""
    runs, value = [0], 0
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def compress(runs: list[int]) -> str:
    """Write runs as COCO's tools do, after the description of their format."""
    text = ''
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        while True:
            digit, value = value & 31, value >> 5
            last = value == (-1 if digit & 16 else 0)
            text += chr(48 + (digit if last else digit | 32))
            if last:
                break
    return text


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_runs_come_back_plain_and_compressed(mask: np.ndarray) -> None:
    runs = runs_of(mask)
    assert decompress_runs(compress(runs)) == runs
    np.testing.assert_array_equal(draw_runs(runs, mask.shape), mask)
    item = {'segmentation': {'counts': compress(runs), 'size': list(mask.shape)}}
    np.testing.assert_array_equal(mask_of(item, mask.shape), mask)


@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=20))
def test_long_runs_come_back(runs: list[int]) -> None:
    assert decompress_runs(compress(runs)) == runs


@settings(max_examples=30, deadline=None)
@given(MASKS)
def test_areas_of_runs_are_counted(mask: np.ndarray) -> None:
    runs = runs_of(mask)
    for counts in (runs, compress(runs)):
        assert area_of({'counts': counts}) == mask.sum()


def test_areas_of_polygons_are_known() -> None:
    assert area_of([[0, 0, 4, 0, 4, 3, 0, 3], [10, 10, 10, 14, 16, 10]]) == 12 + 12
    assert area_of([]) == 0


def test_reads_what_cocos_tools_write() -> None:
    """A circle and a bar, written by pycocotools 2.0.11."""
    text = (
        'm34T10000000000000WOM=3^O7=IA;=EB==CB?=ABa0=6O1O001O000000001OO100000003L101N2N2N2N2N3L7F'
        'Y='
    )
    mask = mask_of({'segmentation': {'counts': text, 'size': [40, 50]}}, (40, 50))
    assert mask[5:9, 3:30].all()
    rows, columns = np.mgrid[:40, :50]
    ring = np.hypot(rows - 20, columns - 24)
    bar = (rows >= 5) & (rows < 9) & (columns >= 3) & (columns < 30)
    assert mask[(ring < 13) | bar].all()
    assert not mask[(ring > 15) & ~bar].any()


@pytest.mark.parametrize(
    ('text', 'message'),
    [('\x01', 'expected those of COCO'), ('T' * 20, 'expected those'), ('3T', 'end within')],
)
def test_refuses_other_text(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decompress_runs(text)


@pytest.mark.parametrize('runs', [[4, -1, 13], [4, 8], [4.0, 12], '1234', [True, 15], None])
def test_refuses_runs_that_do_not_fill_the_image(runs: object) -> None:
    with pytest.raises(ValueError, match='expected a list whose sum is 16'):
        draw_runs(runs, (4, 4))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    'part', [[1.0, 2.0, 3.0], [float('nan')] * 6, [0, 0, 1e30, 0, 5, 5], ['a', 'b']]
)
def test_refuses_polygons_that_are_none(part: list[float]) -> None:
    with pytest.raises(ValueError, match=r'.'):
        mask_of({'segmentation': [part]}, (4, 4))


def test_areas_that_are_null_are_measured(tmp_path: Path) -> None:
    item = {'image_id': 1, 'category_id': 2, 'segmentation': [[0, 0, 4, 0, 4, 3, 0, 3]]}
    items = [{'id': 7, 'area': None, **item}, {'area': 5, **item}, item]
    file = tmp_path / 'a.json'
    content = {'images': [{'id': 1, 'file_name': 'a.png'}], 'annotations': items}
    file.write_text(json.dumps(content))
    found = read_annotations(file).objects['a.png']
    assert [(thing['id'], thing['area']) for thing in found] == [(7, 12), (None, 5), (None, 12)]
    file.write_text(json.dumps(content | {'annotations': [{'area': 'large', **item}]}))
    with pytest.raises(DataError, match="received the area 'large', expected a number"):
        read_annotations(file)


@pytest.mark.parametrize(
    'text', ['[]', '{"images": 3}', '{', '{"images": [], "annotations": {}}x']
)
def test_refuses_other_files(tmp_path: Path, text: str) -> None:
    file = tmp_path / 'a.json'
    file.write_text(text)
    with pytest.raises(DataError, match="not in the format of COCO's instances"):
        read_annotations(file)
