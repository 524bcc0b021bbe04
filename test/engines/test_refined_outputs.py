# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refined scores from both engines: the same numbers, statistics from the card, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_seg_ros.bundle import Bundle, write_bundle
from anomaly_seg_ros.engines import Engine, EngineError, load_engine
from anomaly_seg_ros.engines.base import check_finite
from anomaly_seg_ros.refinement import Shrinkage, output_name

pytest.importorskip('torch')
pytest.importorskip('onnxruntime')

REFINEMENTS = ('sml', 'suppress+smooth', 'sml+suppress+smooth+vde')
NAMES = ('onnxruntime', 'torch')


@pytest.fixture(scope='module', params=NAMES)
def engine(request: pytest.FixtureRequest, refined_bundle: Bundle) -> Iterator[Engine]:
    loaded = load_engine(request.param, refined_bundle, device='cpu', threads=1)
    yield loaded
    loaded.close()


def picture(*shape: int) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(0)
    waves = np.sin(np.linspace(0, 9, shape[2]))[None, None, :, None] * 60 + 128
    return np.clip(waves + random.normal(0, 20, (*shape, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize('shape', [(1, 48, 64), (2, 48, 64), (1, 31, 100)])
def test_engines_refine_alike(refined_bundle: Bundle, shape: tuple[int, ...]) -> None:
    names = tuple(output_name('max_logit', refinement) for refinement in REFINEMENTS)
    results = []
    for name in NAMES:
        engine = load_engine(name, refined_bundle, device='cpu', threads=1)
        results.append(engine.run(picture(*shape), ('labels', *names)))
        engine.close()
    for name in names:
        ours, theirs = results[0][name], results[1][name]
        assert ours.shape == shape
        assert ours.dtype == theirs.dtype == np.float32
        assert np.mean(np.abs(ours - theirs) > 1e-3) < 0.02, name
        assert np.std(ours) > 0.05, name


def test_statistics_come_from_the_card(engine: Engine, refined_bundle: Bundle) -> None:
    """Where nothing is resized the standardised score follows from labels and score."""
    found = engine.run(picture(1, 48, 64), ('labels', 'max_logit', 'max_logit+sml'))
    table = refined_bundle.card.statistics['max_logit']
    mean, std = (np.array(table[key])[found['labels']] for key in ('mean', 'std'))
    expected = (found['max_logit'] - mean) / std
    np.testing.assert_allclose(found['max_logit+sml'], expected, rtol=1e-4, atol=1e-4)


def test_refined_outputs_alone_and_with_others(engine: Engine) -> None:
    image = picture(1, 40, 50)
    both = engine.run(image, ('max_logit+sml', 'max_logit+suppress+smooth', 'entropy'))
    for name in both:
        alone = engine.run(image, (name,))
        np.testing.assert_allclose(alone[name], both[name], atol=1e-4)


def test_missing_statistics_say_what_to_do(engine: Engine) -> None:
    image = picture(1, 8, 8)
    words = "the output 'entropy\\+sml' needs class statistics, .*anomaly-seg calibrate"
    with pytest.raises(EngineError, match=words):
        engine.run(image, ('labels', 'entropy+sml'))
    assert set(engine.run(image, ('entropy+suppress+smooth',))) == {'entropy+suppress+smooth'}
    with pytest.raises(
        EngineError, match="no output 'entropy\\+smooth'; choose of: .*entropy\\+s"
    ):
        engine.run(image, ('entropy+smooth',))


@pytest.mark.parametrize('name', NAMES)
def test_calibrating_only_rewrites_the_card(
    name: str, refined_bundle: Bundle, tmp_path: Path
) -> None:
    """Other statistics in ``card.json`` are all it takes, with the same graph and weights."""
    files = {file: refined_bundle.path / file for file in refined_bundle.card.hashes}
    write_bundle(tmp_path / 'b', refined_bundle.card, files)
    path = tmp_path / 'b' / 'card.json'
    content = json.loads(path.read_text())
    content['statistics']['entropy'] = {'count': [5] * 19, 'mean': [0.5] * 19, 'std': [0.25] * 19}
    content['refinement'], content['score'] = 'sml', 'entropy'
    path.write_text(json.dumps(content))
    bundle = Bundle.open(tmp_path / 'b')
    assert bundle.card.output == 'entropy+sml'
    engine = load_engine(name, bundle, threads=1)
    found = engine.run(picture(1, 48, 64), ('entropy', 'entropy+sml'))
    np.testing.assert_allclose(found['entropy+sml'], (found['entropy'] - 0.5) / 0.25, atol=1e-4)
    engine.warm_up(bundle.card.input_size)
    engine.close()


@pytest.mark.parametrize('name', NAMES)
def test_statistics_are_drawn_together_as_the_card_says(name: str, refined_bundle: Bundle) -> None:
    """Of all deviations one is left, and every mean lies half of the way to the common one."""
    card = replace(refined_bundle.card, shrinkage=Shrinkage(0.5, 1.0))
    engine = load_engine(name, Bundle(refined_bundle.path, card), threads=1)
    found = engine.run(picture(1, 48, 64), ('labels', 'max_logit', 'max_logit+sml'))
    engine.close()
    table = card.statistics['max_logit']
    count, mean, std = (np.array(table[key]) for key in ('count', 'mean', 'std'))
    common = (count * mean).sum() / count.sum()
    within = np.sqrt((count * std**2).sum() / count.sum())
    expected = (found['max_logit'] - (mean[found['labels']] + common) / 2) / within
    assert np.ptp(mean) > 0.1
    np.testing.assert_allclose(found['max_logit+sml'], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('wrong', [np.nan, np.inf, -np.inf])
def test_damaged_networks_are_reported(
    wrong: float, refined_bundle: Bundle, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(refined_bundle.file('weights'))
    weights['classifier.bias'] = np.full_like(weights['classifier.bias'], wrong)
    save_file(weights, tmp_path / 'weights.safetensors')
    files = {file: refined_bundle.path / file for file in refined_bundle.card.hashes}
    files['weights.safetensors'] = tmp_path / 'weights.safetensors'
    bundle = write_bundle(tmp_path / 'b', refined_bundle.card, files)
    engine = load_engine('torch', bundle, threads=1)
    for output in ('max_logit', 'entropy', 'max_logit+sml+suppress+smooth+vde'):
        with pytest.raises(EngineError, match=r'pixels not finite: its weights are damaged'):
            engine.run(picture(1, 48, 64), ('labels', output))


def test_what_is_finite() -> None:
    large = np.full((1, 100, 100), 3e38, np.float32)
    check_finite({'labels': np.zeros((1, 2, 2), np.uint8), 'energy': large})
    large[0, 50, 50] = np.nan
    with pytest.raises(EngineError, match="'energy' with 1 of 10000 pixels not finite"):
        check_finite({'energy': large})
