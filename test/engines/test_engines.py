# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both engines on the same bundles: the same numbers, the same refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_seg_ros.bundle import Bundle, BundleError, write_bundle
from anomaly_seg_ros.engines import ENGINES, Engine, EngineError, load_engine
from anomaly_seg_ros.size import Size

pytest.importorskip('torch')
pytest.importorskip('onnxruntime')

SCORES = ('max_softmax', 'entropy', 'max_logit', 'energy', 'max_min')
ALL = ('labels', 'confidence', *SCORES)


@pytest.fixture(scope='module', params=['streetnet', 'erfnet'])
def engines(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, Engine]]:
    bundle = request.getfixturevalue(f'{request.param}_bundle')
    both = load_engine('torch', bundle, threads=1), load_engine('onnxruntime', bundle, threads=1)
    yield both
    for engine in both:
        engine.close()


@pytest.fixture(scope='module', params=['torch', 'onnxruntime'])
def engine(request: pytest.FixtureRequest, streetnet_bundle: Bundle) -> Iterator[Engine]:
    loaded = load_engine(request.param, streetnet_bundle, device='cpu', threads=1)
    yield loaded
    loaded.close()


def picture(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Smooth colours with noise, so that classes change often and scores vary."""
    random = np.random.default_rng(seed)
    waves = np.sin(np.linspace(0, 9, shape[2]))[None, None, :, None] * 60 + 128
    return np.clip(waves + random.normal(0, 40, (*shape, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    'shape',
    [
        (1, 64, 128),
        (1, 48, 96),
        (2, 64, 128),
        (1, 31, 57),
        (2, 200, 333),
        (1, 128, 256),
        (1, 1, 1),
        (1, 1, 300),
        (1, 300, 1),
    ],
)
def test_same_numbers(engines: tuple[Engine, Engine], shape: tuple[int, ...]) -> None:
    image = picture(*shape)
    ours, theirs = (engine.run(image, ALL) for engine in engines)
    assert set(ours) == set(theirs) == set(ALL)
    for name in ALL:
        assert ours[name].shape == theirs[name].shape == shape
        assert ours[name].dtype == theirs[name].dtype
        assert ours[name].dtype == (np.float32 if name in SCORES else np.uint8)
        if name in SCORES:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-3)
        elif name == 'labels':
            assert np.mean(ours[name] == theirs[name]) > 0.999
        else:
            assert np.max(np.abs(ours[name].astype(int) - theirs[name])) <= 1


def test_networks_see_the_picture(engines: tuple[Engine, Engine]) -> None:
    """Guards the comparison itself: constant outputs would agree too."""
    image = picture(1, 64, 128)
    for engine in engines:
        results = engine.run(image, ALL)
        other = engine.run(255 - image, ALL)
        for name in SCORES:
            assert np.std(results[name]) > 0.02, name
            assert not np.array_equal(results[name], other[name]), name
        assert len(np.unique(results['labels'])) > 1


def test_arrays_of_any_layout(engine: Engine) -> None:
    image = picture(1, 64, 128)
    expected = engine.run(image, ALL)
    padded = np.zeros((1, 64, 140, 3), np.uint8)
    padded[:, :, :128] = image
    read_only = image.copy()
    read_only.flags.writeable = False
    layouts = {
        'rows with padding': padded[:, :, :128],
        'BGR turned around': np.ascontiguousarray(image[..., ::-1])[..., ::-1],
        'mirrored': np.ascontiguousarray(image[:, ::-1, ::-1])[:, ::-1, ::-1],
        'column order': np.asfortranarray(image),
        'planes': np.ascontiguousarray(image.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
        'read-only': read_only,
    }
    for what, array in layouts.items():
        results = engine.run(array, ALL)
        for name in ALL:
            np.testing.assert_array_equal(results[name], expected[name], err_msg=what)


def test_results_do_not_alias_later_runs(engine: Engine) -> None:
    first = engine.run(picture(1, 64, 128, seed=1), ('labels', 'max_logit'))
    kept = {name: array.copy() for name, array in first.items()}
    engine.run(picture(1, 64, 128, seed=2), ('labels', 'max_logit'))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])


@pytest.mark.parametrize('outputs', [('labels',), ('max_min', 'labels'), ('entropy',), ALL])
def test_exactly_what_is_asked_for(engine: Engine, outputs: tuple[str, ...]) -> None:
    image = picture(1, 40, 50)
    full = engine.run(image, ALL)
    some = engine.run(image, outputs)
    assert set(some) == set(outputs)
    for name in outputs:
        np.testing.assert_allclose(some[name], full[name], atol=1e-5)
    assert set(engine.run(image, outputs * 2)) == set(outputs)


@pytest.mark.parametrize(
    ('image', 'words'),
    [
        (
            np.zeros((4, 4, 3), np.uint8),
            r'shape \(4, 4, 3\) and type uint8, expected \(N, H, W, 3',
        ),
        (np.zeros((1, 4, 4, 4), np.uint8), r'shape \(1, 4, 4, 4\)'),
        (np.zeros((1, 3, 4, 4), np.uint8), r'shape \(1, 3, 4, 4\)'),
        (np.zeros((1, 4, 4, 3), np.float32), 'type float32'),
        (np.zeros((1, 0, 4, 3), np.uint8), r'empty array of shape \(1, 0, 4, 3\)'),
        (np.zeros((0, 4, 4, 3), np.uint8), 'expected at least one pixel'),
        ([[1, 2, 3]], 'received a list, expected an array'),
        (None, 'received a NoneType'),
    ],
)
def test_wrong_images_are_refused(engine: Engine, image: Any, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        engine.run(image, ('labels',))
    assert engine.run(picture(1, 4, 4), ('labels',))['labels'].shape == (1, 4, 4)


def test_wrong_outputs_are_refused(engine: Engine) -> None:
    image = picture(1, 4, 4)
    with pytest.raises(EngineError, match="no output 'maxlogit'; choose of: labels, confidence"):
        engine.run(image, ('labels', 'maxlogit'))
    with pytest.raises(EngineError, match='no output is asked for'):
        engine.run(image, ())


def test_describes_itself(engine: Engine, streetnet_bundle: Bundle) -> None:
    assert engine.name in ('torch', 'onnxruntime')
    assert engine.device == 'cpu'
    assert engine.card == streetnet_bundle.card


@pytest.mark.parametrize('name', ['torch', 'onnxruntime'])
def test_closed_engine_says_so(name: str, streetnet_bundle: Bundle) -> None:
    engine = load_engine(name, streetnet_bundle, threads=1)
    engine.warm_up(Size(20, 10))
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match=f'the engine {name} is closed'):
        engine.run(picture(1, 4, 4), ('labels',))


def test_unknown_names(streetnet_bundle: Bundle) -> None:
    assert ENGINES.names() == ['auto', 'onnxruntime', 'torch']
    with pytest.raises(
        EngineError, match=r"^unknown engine 'onnx'; choose one of: auto, onnxruntime, torch$"
    ):
        load_engine('onnx', streetnet_bundle)
    with pytest.raises(EngineError, match="device 'gpu', expected one of: auto, cpu, cuda"):
        load_engine('auto', streetnet_bundle, device='gpu')
    with pytest.raises(EngineError, match='received -1 threads'):
        load_engine('auto', streetnet_bundle, threads=-1)


@pytest.mark.parametrize('name', ['torch', 'onnxruntime'])
def test_absent_gpu_is_explained(name: str, streetnet_bundle: Bundle) -> None:
    import onnxruntime
    import torch

    if torch.cuda.is_available() or 'CUDAExecutionProvider' in (
        onnxruntime.get_available_providers()
    ):
        pytest.skip('this machine has a GPU runtime')
    with pytest.raises(EngineError, match='the device cuda was asked for, but .* device cpu'):
        load_engine(name, streetnet_bundle, device='cuda')


def without(bundle: Bundle, folder: Path, role: str) -> Bundle:
    """Return a copy of a bundle that lacks its graph or its weights."""
    kept = 'weights' if role == 'graph' else 'graph'
    path = bundle.file(kept)
    return write_bundle(folder / 'part', replace(bundle.card, **{role: None}), {path.name: path})


def test_auto_takes_what_the_bundle_offers(
    streetnet_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_engine('auto', streetnet_bundle, threads=1).name == 'onnxruntime'
    weights_only = without(streetnet_bundle, tmp_path / 'a', 'graph')
    graph_only = without(streetnet_bundle, tmp_path / 'b', 'weights')
    assert load_engine('auto', weights_only, threads=1).name == 'torch'
    assert load_engine('auto', graph_only, threads=1).name == 'onnxruntime'
    with pytest.raises(BundleError, match='has no graph file, only weights: use the engine torch'):
        load_engine('onnxruntime', weights_only)
    with pytest.raises(BundleError, match='has no weights file, only a graph'):
        load_engine('torch', graph_only)
    monkeypatch.setattr('anomaly_seg_ros.engines.load.find_spec', lambda name: None)
    with pytest.raises(EngineError, match='holds only a graph: pip install onnxruntime'):
        load_engine('auto', graph_only)
    with pytest.raises(EngineError, match='the engine torch needs PyTorch: pip install torch'):
        load_engine('torch', streetnet_bundle)


def edited(bundle: Bundle, folder: Path, **changes: Any) -> Bundle:
    """Return a copy of a bundle whose card says something else."""
    files = {name: bundle.path / name for name in bundle.card.hashes}
    write_bundle(folder / 'edited', bundle.card, files)
    path = folder / 'edited' / 'card.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return Bundle.open(folder / 'edited')


def test_card_that_contradicts_its_files(streetnet_bundle: Bundle, tmp_path: Path) -> None:
    scores = edited(streetnet_bundle, tmp_path / 'a', scores=['max_logit', 'magic'])
    with pytest.raises(BundleError, match='has the outputs .*, expected .*magic'):
        load_engine('onnxruntime', scores)
    with pytest.raises(BundleError, match="names an unknown score 'magic'; choose one of"):
        load_engine('torch', scores)
    unknown = {'name': 'nonet', 'options': {}}
    network = edited(streetnet_bundle, tmp_path / 'b', segmenter=unknown)
    with pytest.raises(BundleError, match="names an unknown segmenter 'nonet'; choose one of"):
        load_engine('torch', network)


def test_runtime_failure_leaves_the_engine_usable(engine: Engine) -> None:
    """A picture that needs more memory than there is must not end the process."""
    huge = np.broadcast_to(np.zeros((1, 1, 1, 3), np.uint8), (1 << 22, 1 << 12, 1 << 12, 3))
    with pytest.raises(EngineError):
        engine.run(huge, ('labels',))
    assert engine.run(picture(1, 4, 4), ('labels',))['labels'].shape == (1, 4, 4)


def test_session_cache_is_bounded(streetnet_bundle: Bundle) -> None:
    from anomaly_seg_ros.engines.onnx import MAX_SESSIONS, OnnxEngine

    engine = OnnxEngine(streetnet_bundle, threads=1)
    image = picture(1, 8, 8)
    for name in ALL:
        engine.run(image, (name,))
        assert len(engine._sessions) <= MAX_SESSIONS
    session = engine._sessions[(ALL[-1],)]
    engine.run(image, (ALL[-1],))
    assert engine._sessions[(ALL[-1],)] is session


@pytest.mark.gpu
def test_gpu_gives_the_same_numbers(streetnet_bundle: Bundle) -> None:
    image = picture(2, 100, 130)
    ours = load_engine('torch', streetnet_bundle, device='cuda').run(image, ALL)
    theirs = load_engine('torch', streetnet_bundle, device='cpu').run(image, ALL)
    for name in SCORES:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-3)
    assert np.mean(ours['labels'] == theirs['labels']) > 0.999
