# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Features, classifier and files of OODMC against slow references and damaged files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch')

from anomaly_seg_ros.bundle import Preprocessing  # noqa: E402
from anomaly_seg_ros.models import create_segmenter  # noqa: E402
from anomaly_seg_ros.oodmc import (  # noqa: E402
    FeatureSpec,
    Oodmc,
    OodmcError,
    OodmcModel,
    PixelClassifier,
    Sampling,
    features,
    resolve,
    score_map,
)
from anomaly_seg_ros.size import Size  # noqa: E402

STREETNET = {'widths': (8, 8, 8, 8), 'depths': (1, 1, 1, 1), 'neck': 8, 'head': 6}
CLASSES = 5


def slow_features(stack: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """One pixel after the other, one number after the other; (N, D)."""
    rows = []
    for pixel in range(stack.shape[2]):
        mean = stack[0, :, pixel]
        if spec.softmax:
            probabilities = mean
        else:
            exponentials = [math.exp(z - max(mean)) for z in mean]
            probabilities = [e / sum(exponentials) for e in exponentials]
        entropy = -sum(p * math.log(p) for p in probabilities if p > 0)
        row = [entropy / math.log(max(len(mean), 2)), *mean]
        for order in range(2, spec.order + 1):
            for value in stack[order - 1, :, pixel]:
                root = math.copysign(abs(value) ** (1 / order), value)
                row.append(root if spec.roots else value)
        rows.append(row)
    return np.array(rows)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    order=st.integers(1, 4),
    classes=st.integers(1, 6),
    roots=st.booleans(),
    softmax=st.booleans(),
)
def test_features_are_entropy_mean_and_moments(
    seed: int, order: int, classes: int, roots: bool, softmax: bool
) -> None:
    rng = np.random.default_rng(seed)
    stack = rng.normal(0, 5, (4, classes, 3))
    stack[[1, 3]] = np.abs(stack[[1, 3]])
    if softmax:
        stack[0] = np.exp(stack[0]) / np.exp(stack[0]).sum(0)
    spec = FeatureSpec(order, softmax, roots)
    received = features(torch.from_numpy(stack).float(), spec)
    assert received.shape == (spec.dimensions(classes), 3)
    np.testing.assert_allclose(received.T, slow_features(stack, spec), rtol=1e-4, atol=1e-4)


def test_moments_that_are_negative_by_rounding_have_a_root() -> None:
    stack = torch.tensor([[[1.0]], [[-1e-12]], [[-8.0]], [[-1e-20]]])
    assert features(stack, FeatureSpec()).flatten().tolist() == [0, 1, 0, pytest.approx(-2), 0]


def test_the_weight_turns_from_entropy_to_moments() -> None:
    assert FeatureSpec(1, moment_weight=0.5).weights(2).tolist() == [1, 1, 1]
    assert FeatureSpec(1, moment_weight=0).weights(2).tolist() == [2, 0, 0]
    assert FeatureSpec(1, moment_weight=1).weights(2).tolist() == [0, 2, 2]


def make_classifier(kind: str, dimensions: int, seed: int = 0, count: int = 3) -> PixelClassifier:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    arrays = {'mean': random(dimensions), 'scale': random(dimensions).abs(), 'bias': random(1)}
    if kind == 'linear':
        arrays |= {'weights': random(dimensions)}
    elif kind == 'nystroem':
        arrays |= {'weights': random(count), 'centres': random(count, dimensions)}
        arrays |= {'gamma': random(1).abs() / 4}
    else:
        arrays |= {'weights': random(count), 'directions': random(count, dimensions)}
        arrays |= {'offsets': random(count)}
    return PixelClassifier(kind, arrays)


def slow_decision(classifier: PixelClassifier, f: np.ndarray) -> float:
    a = {name: array.double().numpy() for name, array in classifier.arrays.items()}
    z = [(f[i] - a['mean'][i]) * a['scale'][i] for i in range(len(f))]
    if classifier.kind == 'linear':
        return sum(w * v for w, v in zip(a['weights'], z, strict=True)) + a['bias'][0]
    total = a['bias'][0]
    for m, weight in enumerate(a['weights']):
        if classifier.kind == 'nystroem':
            distance = sum((v - c) ** 2 for v, c in zip(z, a['centres'][m], strict=True))
            total += weight * math.exp(-a['gamma'][0] * distance)
        else:
            angle = sum(v * d for v, d in zip(z, a['directions'][m], strict=True))
            total += weight * math.cos(angle + a['offsets'][m])
    return total


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(('linear', 'nystroem', 'fourier')),
    dimensions=st.integers(1, 9),
)
def test_decisions_are_what_the_formula_says(seed: int, kind: str, dimensions: int) -> None:
    classifier = make_classifier(kind, dimensions, seed)
    values = np.random.default_rng(seed).normal(0, 2, (4, dimensions))
    received = classifier.decide(torch.from_numpy(values).float().T)
    expected = [slow_decision(classifier, f) for f in values]
    np.testing.assert_allclose(received, expected, rtol=2e-3, atol=2e-4)


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    stack, spec = torch.rand(4, 3, 5, 7), FeatureSpec()
    classifier = make_classifier('nystroem', 13)
    whole = score_map(stack, spec, classifier)
    monkeypatch.setattr('anomaly_seg_ros.oodmc.scorer._CHUNK', 4)
    assert whole.shape == (5, 7)
    torch.testing.assert_close(score_map(stack, spec, classifier), whole)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda a: a.pop('bias'), 'holds the arrays'),
        (lambda a: a.update(weights=a['weights'][:2]), r'expected float32 \(4,\)'),
        (lambda a: a.update(bias=a['bias'].double()), r'float64 \(1,\), expected float32'),
        (lambda a: a.update(mean=a['mean'] * math.nan), 'mean of the classifier is not finite'),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    arrays = dict(make_classifier('linear', 4).arrays)
    change(arrays)
    with pytest.raises(OodmcError, match=message):
        PixelClassifier('linear', arrays)


def test_other_misuse_is_refused() -> None:
    classifier = make_classifier('linear', 4)
    with pytest.raises(OodmcError, match=r'shape \(5, 2\), expected \(4, N\)'):
        classifier.decide(torch.zeros(5, 2))
    with pytest.raises(OodmcError, match="unknown classifier 'tree'"):
        PixelClassifier('tree', classifier.arrays)
    with pytest.raises(OodmcError, match='expected 3 orders'):
        features(torch.zeros(2, 3, 4), FeatureSpec(3))
    with pytest.raises(OodmcError, match='order 5, expected 1 to 4'):
        FeatureSpec(5)
    with pytest.raises(OodmcError, match='moment_weight=2, expected 0 to 1'):
        FeatureSpec(moment_weight=2)


@pytest.fixture(params=['linear', 'nystroem', 'fourier'])
def model(request: pytest.FixtureRequest) -> OodmcModel:
    spec = FeatureSpec(3)
    classifier = make_classifier(request.param, spec.dimensions(CLASSES))
    sampling = Sampling({'dropout': 0.2}, samples=7, seed=4)
    return OodmcModel('streetnet', CLASSES, 'a' * 64, sampling, spec, classifier, {'images': 3})


def test_what_is_saved_is_what_is_loaded(model: OodmcModel, tmp_path: Path) -> None:
    model.save(tmp_path / 'fit')
    loaded = OodmcModel.load(tmp_path / 'fit')
    values = torch.randn(16, 50)
    assert torch.equal(loaded.classifier.decide(values), model.classifier.decide(values))
    assert replace(loaded, classifier=model.classifier) == model
    assert sorted(p.name for p in (tmp_path / 'fit').iterdir()) == [
        'oodmc.json', 'oodmc.safetensors',
    ]  # fmt: skip


def edited(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    file = folder / 'oodmc.json'
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c.pop('features'), "no key 'features'"),
        (lambda c: c.update(extra=1), "unknown key 'extra'"),
        (lambda c: c.update(format_version=2), "'format_version' = 2"),
        (lambda c: c.update(classifier='tree'), "unknown classifier 'tree'"),
        (lambda c: c.update(num_classes=6), 'takes 16 features, but moments up to order 3'),
        (lambda c: c['features'].update(order=9), "'order' = 9"),
        (lambda c: c['features'].update(softmax=1), "'softmax' = 1, expected true or false"),
        (lambda c: c['sampling'].update(samples=-3), "'samples' = -3"),
        (lambda c: c['sampling']['rates'].update(dropout='x'), "'dropout' = 'x'"),
        (lambda c: c.update(arrays_sha256='0' * 64), 'it was changed or cut short'),
    ],
)
def test_a_changed_description_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    spec = FeatureSpec(3)
    classifier = make_classifier('linear', 16)
    OodmcModel('streetnet', CLASSES, 'a' * 64, Sampling({'dropout': 0.2}), spec, classifier).save(
        tmp_path
    )
    edited(tmp_path, change)
    with pytest.raises(OodmcError, match=message):
        OodmcModel.load(tmp_path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OodmcError, match='cannot read'):
        OodmcModel.load(tmp_path)
    spec = FeatureSpec(1)
    model = OodmcModel(
        'streetnet', 2, 'a' * 64, Sampling({'dropout': 0.2}), spec, make_classifier('linear', 3)
    )
    model.save(tmp_path)
    arrays = tmp_path / 'oodmc.safetensors'
    whole = arrays.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b''):
        arrays.write_bytes(damaged)
        with pytest.raises(OodmcError, match='changed or cut short'):
            OodmcModel.load(tmp_path)
    # Not even with a matching hash.
    import hashlib

    arrays.write_bytes(whole[:20])
    edited(tmp_path, lambda c: c.update(arrays_sha256=hashlib.sha256(whole[:20]).hexdigest()))
    with pytest.raises(OodmcError, match='no whole safetensors file'):
        OodmcModel.load(tmp_path)
    arrays.unlink()
    with pytest.raises(OodmcError, match='no whole safetensors file'):
        OodmcModel.load(tmp_path)
    (tmp_path / 'oodmc.json').write_text('{"format_version": ')
    with pytest.raises(OodmcError, match='no description'):
        OodmcModel.load(tmp_path)


def make_scorer(samples: int = 5, order: int = 3) -> Oodmc:
    torch.manual_seed(0)
    segmenter = create_segmenter('streetnet', num_classes=CLASSES, **STREETNET)
    spec = FeatureSpec(order)
    model = OodmcModel(
        'streetnet', CLASSES, 'a' * 64, Sampling(resolve(segmenter), samples=samples), spec,
        make_classifier('linear', spec.dimensions(CLASSES)),
    )  # fmt: skip
    return Oodmc(segmenter, Preprocessing(), Size(64, 32), model)


@pytest.mark.parametrize('samples', [0, 5])
def test_an_image_gets_a_score_per_pixel_and_always_the_same(samples: int) -> None:
    scorer = make_scorer(samples)
    image = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    score = scorer.score(image)
    assert score.shape == (50, 90)
    assert score.dtype == np.float32
    assert np.isfinite(score).all()
    scorer.score(255 - image)
    torch.manual_seed(3)
    np.testing.assert_array_equal(scorer.score(image), score)
    # A view with negative strides, and read-only memory.
    mirrored = np.ascontiguousarray(image[:, ::-1])
    mirrored.flags.writeable = False
    np.testing.assert_array_equal(scorer.score(image[:, ::-1]), scorer.score(mirrored))


def test_images_of_another_form_are_refused() -> None:
    with pytest.raises(OodmcError, match=r'expected \(H, W, 3\) uint8'):
        make_scorer().score(np.zeros((4, 4), np.uint8))


def test_a_fit_for_another_network_is_refused() -> None:
    scorer = make_scorer()
    other = create_segmenter('streetnet', num_classes=CLASSES + 1, **STREETNET)
    with pytest.raises(OodmcError, match='fitted for 5 classes, the network has 6'):
        Oodmc(other, Preprocessing(), Size(64, 32), scorer.model)
    whole = create_segmenter('erfnet', num_classes=CLASSES)
    with pytest.raises(OodmcError, match="'dropout' is no dropout layer of ERFNet"):
        Oodmc(whole, Preprocessing(), Size(64, 32), scorer.model)
