# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views of an image: laws of mirroring and covering, a loop as reference, real engines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import Engine, EngineError, load_engine
from anomaly_seg_ros.engines.augmented import AugmentedEngine
from anomaly_seg_ros.size import Size


class Pointwise:
    """An engine whose score is a pixel's red, whatever surrounds it; counts its runs."""

    name = 'onnxruntime'
    device = 'cpu'
    card: Any = None

    def __init__(self) -> None:
        self.runs: list[tuple[tuple[int, ...], tuple[str, ...]]] = []
        self.closed = False

    def run(self, image: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.runs.append((image.shape, tuple(outputs)))
        known = {
            'labels': image[..., 2],
            'confidence': image[..., 1],
            'red': image[..., 0].astype(np.float32),
        }
        if not set(outputs) <= set(known) or not outputs:
            msg = 'unknown output'
            raise EngineError(msg)
        return {name: known[name] for name in outputs}

    def warm_up(self, size: Size) -> None:
        self.runs.append(((1, *size.shape, 3), ('warm',)))

    def close(self) -> None:
        self.closed = True


class Leftmost(Pointwise):
    """Scores the share of a row left of a pixel: not the same for mirrored images."""

    def run(self, image: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        results = super().run(image, outputs)
        if 'red' in results:
            red = results['red']
            results['red'] = np.cumsum(red, 2, dtype=np.float32) / red.shape[2]
        return results


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


@given(
    st.integers(1, 40), st.integers(1, 60), st.booleans(),
    st.lists(st.floats(1, 4), min_size=1, max_size=3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_depends_on_one_pixel_stays(
    height: int, width: int, flip: bool, zooms: list[float]
) -> None:
    image = picture(2, height, width)
    engine = AugmentedEngine(Pointwise(), flip=flip, zooms=zooms)
    found = engine.run(image, ('confidence', 'red', 'labels'))
    np.testing.assert_allclose(found['red'], image[..., 0], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(found['labels'], image[..., 2])
    np.testing.assert_array_equal(found['confidence'], image[..., 1])
    assert found['red'].dtype == np.float32


@pytest.mark.parametrize('zooms', [(1.0,), (1.0, 2.0), (1.5, 3.0)])
def test_mirroring_the_image_mirrors_the_score(zooms: tuple[float, ...]) -> None:
    image = picture(1, 12, 24)
    engine = AugmentedEngine(Leftmost(), zooms=zooms)
    plain, mirrored = (engine.run(i, ('red',))['red'] for i in (image, image[:, :, ::-1]))
    np.testing.assert_allclose(plain[:, :, ::-1], mirrored, rtol=1e-5)


def test_a_symmetric_image_has_a_symmetric_score() -> None:
    half = picture(1, 9, 8)
    image = np.concatenate((half, half[:, :, ::-1]), 2)
    plain = Leftmost().run(image, ('red',))['red']
    found = AugmentedEngine(Leftmost()).run(image, ('red',))['red']
    assert not np.allclose(plain, plain[:, :, ::-1])
    np.testing.assert_array_equal(found, found[:, :, ::-1])
    np.testing.assert_allclose(found, (plain + plain[:, :, ::-1]) / 2)


def test_zoom_equals_a_loop_over_parts() -> None:
    image = picture(1, 10, 21, seed=3)
    engine = AugmentedEngine(Leftmost(), flip=False, zooms=(2.0,))
    # Two by two parts of 5x11; the columns overlap by one: 0..10 and 10..20.
    top, bottom = image[:, :5], image[:, 5:]
    expected = np.zeros((10, 21), np.float64)
    for row, half in ((0, top), (5, bottom)):
        left, right = (
            np.cumsum(half[0, :, columns, 0].astype(float), 1) / 11
            for columns in (slice(0, 11), slice(10, 21))
        )
        expected[row : row + 5, :11] = left
        expected[row : row + 5, 10:] = right
        # Both ends of a tent weigh the same.
        expected[row : row + 5, 10] = (left[:, 10] + right[:, 0]) / 2
    np.testing.assert_allclose(engine.run(image, ('red',))['red'][0], expected, rtol=1e-5)


def test_runs_no_more_than_it_says() -> None:
    inner = Pointwise()
    image = picture(1, 8, 16)
    AugmentedEngine(inner, zooms=(1.0, 1.5, 2.0)).run(image, ('labels', 'red'))
    assert len(inner.runs) == 2 * (1 + 4 + 4)
    assert [outputs for _, outputs in inner.runs[:3]] == [('labels', 'red'), ('red',), ('red',)]
    inner.runs.clear()
    AugmentedEngine(inner, zooms=(1.0, 2.0)).run(image, ('labels',))
    assert inner.runs == [((1, 8, 16, 3), ('labels',))]
    inner.runs.clear()
    AugmentedEngine(inner, flip=False, zooms=(2.0,)).run(image, ('confidence', 'red'))
    assert [shape[1:3] for shape, _ in inner.runs] == [(4, 8)] * 4 + [(8, 16)]


def test_passes_on_what_is_not_its_own() -> None:
    inner = Pointwise()
    engine = AugmentedEngine(inner)
    engine.warm_up(Size(4, 2))
    assert inner.runs == [((1, 2, 4, 3), ('warm',))]
    engine.close()
    assert inner.closed
    for outputs in ((), ('blue',), ('red', 'blue')):
        with pytest.raises(EngineError, match='unknown output'):
            engine.run(picture(1, 4, 4), outputs)
    with pytest.raises(EngineError, match='expected'):
        engine.run(picture(1, 4, 4)[0], ('red',))


@pytest.mark.parametrize('zooms', [(), (0.5,), (1.0, 5.0), (float('nan'),)])
def test_refuses_zooms(zooms: tuple[float, ...]) -> None:
    with pytest.raises(EngineError, match='from 1 to 4'):
        AugmentedEngine(Pointwise(), zooms=zooms)


@pytest.fixture(scope='module')
def engine(tiny_bundle: Path) -> Iterator[Engine]:
    pytest.importorskip('onnxruntime')
    loaded = load_engine('onnxruntime', Bundle.open(tiny_bundle), device='cpu', threads=1)
    yield loaded
    loaded.close()


def test_wraps_a_real_engine(engine: Engine) -> None:
    from support.tiny_bundle import THRESHOLD, stripes

    image = stripes(128, 64)[None]
    augmented = AugmentedEngine(engine, zooms=(1.0, 2.0))
    assert augmented.card is engine.card
    found = augmented.run(image, ('labels', 'max_logit'))
    plain = engine.run(image, ('labels', 'max_logit'))
    np.testing.assert_array_equal(found['labels'], plain['labels'])
    unknown = (image[0] == (0, 255, 255)).all(2)
    inner = cv2.erode(unknown.astype(np.uint8), np.ones((9, 9))) > 0
    assert (found['max_logit'][0][inner] > THRESHOLD).all()
    # Nearer views see the borders of the unknown more sharply.
    error = [np.abs((r['max_logit'][0] > THRESHOLD) ^ unknown).mean() for r in (found, plain)]
    assert error[0] <= error[1]
