# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of an evaluation: sizes from file heads, threads for reading and writing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import benchmark_layouts as layouts

from anomaly_seg_training.benchmark import open_benchmark
from anomaly_seg_training.benchmark import sets as benchmark_sets
from anomaly_seg_training.evaluation import sources
from anomaly_seg_training.evaluation.ahead import Behind, ahead
from anomaly_seg_training.evaluation.image_size import declared_size

FORMATS = {
    'png': ('.png', []),
    'jpeg': ('.jpg', []),
    'webp': ('.webp', [cv2.IMWRITE_WEBP_QUALITY, 80]),
    'webp without loss': ('.webp', [cv2.IMWRITE_WEBP_QUALITY, 101]),
}


@pytest.mark.parametrize('name', FORMATS)
@settings(max_examples=20, deadline=None)
@given(width=st.integers(1, 700), height=st.integers(1, 300))
def test_sizes_are_those_of_the_decoder(
    name: str, tmp_path_factory: pytest.TempPathFactory, width: int, height: int
) -> None:
    suffix, options = FORMATS[name]
    path = tmp_path_factory.getbasetemp() / f'image{suffix}'
    assert cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8), options)
    assert declared_size(path) == (width, height)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'RIFF']))
def test_any_bytes_are_survived(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, head: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / 'bytes'
    path.write_bytes(head + body)
    declared_size(path)


def test_other_formats_must_be_decoded(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / 'image.bmp'), np.zeros((3, 4, 3), np.uint8))
    assert declared_size(tmp_path / 'image.bmp') is None


@pytest.mark.parametrize(('memory', 'kept'), [(1 << 20, 2), (8 * 12, 1), (0, 0)])
def test_label_maps_are_decoded_once_where_memory_holds_them(
    memory: int, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.road_anomaly_val(tmp_path)
    found = open_benchmark('road_anomaly_val', tmp_path)[0]
    expected = {item.name.partition('/')[2]: item.read() for item in found}
    decoded: list[Path] = []
    read = benchmark_sets.read_label_map

    def counted(path: Path) -> np.ndarray:
        decoded.append(path)
        return read(path)

    monkeypatch.setattr(benchmark_sets, 'read_label_map', counted)
    monkeypatch.setattr(sources, '_KEPT', memory)
    measured = sources.of_benchmark(found)
    measured.check()
    for rounds in (1, 2):
        for frame in measured.frames(()):
            image, target = expected[frame.name]
            np.testing.assert_array_equal(frame.image, image)
            np.testing.assert_array_equal(frame.target, target)
        # What was measured is kept no longer.
        assert len(decoded) == (1 + rounds) * len(found) - kept


def test_label_maps_of_images_that_are_done_are_kept_no_longer(tmp_path: Path) -> None:
    layouts.road_anomaly_val(tmp_path)
    found = open_benchmark('road_anomaly_val', tmp_path)[0]
    maps = sources._LabelMaps(1 << 20)
    sources._check(found, maps)
    assert maps.forget(found.items[0]) is not None
    assert maps.forget(found.items[0]) is None
    np.testing.assert_array_equal(maps.take(found.items[0]), found.items[0].values())


def test_reading_ahead_keeps_order_and_passes_errors_on() -> None:
    def items() -> Iterator[int]:
        yield from range(9)
        msg = 'broken'
        raise ValueError(msg)

    seen = []
    with pytest.raises(ValueError, match='broken'):
        seen.extend(ahead(items()))
    assert list(ahead(range(9))) == list(range(9))
    assert threading.active_count() == len(threading.enumerate())


def test_reading_ahead_ends_with_its_reader() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    before = threading.active_count()
    stream = ahead(items(), depth=1)
    assert next(stream) == 0
    stream.close()
    assert threading.active_count() == before
    assert len(taken) < 10


def test_work_behind_is_done_in_order_and_its_errors_come() -> None:
    done: list[int] = []
    with Behind() as behind:
        for number in range(20):
            behind.do(lambda number=number: done.append(number))
    assert done == list(range(20))

    def fail() -> None:
        msg = 'broken'
        raise ValueError(msg)

    with pytest.raises(ValueError, match='broken'), Behind() as behind:
        behind.do(fail)


def test_an_error_of_the_caller_comes_first() -> None:
    def fail() -> None:
        msg = 'broken'
        raise ValueError(msg)

    def both() -> None:
        with Behind() as behind:
            behind.do(fail)
            raise KeyError

    with pytest.raises(KeyError):
        both()
