# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exported file: what it holds, and that a wrong one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxscript')
onnxruntime = pytest.importorskip('onnxruntime')

from support.tiny_networks import STREETNET  # noqa: E402
from torch import nn  # noqa: E402

from anomaly_seg_ros.bundle import GraphFile, Preprocessing  # noqa: E402
from anomaly_seg_ros.detector import Detector, ExportError, export  # noqa: E402
from anomaly_seg_ros.detector import export as export_function  # noqa: E402
from anomaly_seg_ros.detector.export import difference  # noqa: E402
from anomaly_seg_ros.refinement import REFINEMENTS_DEFAULT, split_output  # noqa: E402
from anomaly_seg_ros.refinement.chain import RefinedScores  # noqa: E402
from anomaly_seg_ros.size import Size  # noqa: E402

OUTPUTS = ['labels', 'confidence', 'max_softmax', 'entropy', 'max_logit', 'energy', 'max_min']


@pytest.fixture(scope='module')
def exported(make_detector: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    detector = make_detector('streetnet')
    path = tmp_path_factory.mktemp('export') / 'detector.onnx'
    export(detector, path)
    return detector, path


@pytest.mark.parametrize('shape', [(1, 64, 96), (2, 64, 96), (1, 47, 131), (3, 9, 5), (1, 1, 1)])
def test_file_gives_the_networks_numbers(
    exported: tuple[Any, Path], shape: tuple[int, ...]
) -> None:
    detector, path = exported
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    with torch.inference_mode():
        expected = detector(torch.from_numpy(image))
    for name, ours, theirs in zip(
        OUTPUTS, expected, session.run(OUTPUTS, {'image': image}), strict=True
    ):
        assert theirs.shape == shape, name
        assert difference(ours.numpy(), theirs) is None, name


def test_labels_agree_where_rounding_is_decided(exported: tuple[Any, Path]) -> None:
    """Sizes whose sample positions fall on pixel borders: half, third, and four thirds."""
    detector, path = exported
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    for height, width in ((32, 48), (128, 192), (21, 32), (48, 72), (16, 24)):
        image = np.random.default_rng(2).integers(0, 256, (1, height, width, 3), np.uint8)
        with torch.inference_mode():
            expected = detector.run(torch.from_numpy(image), ('labels',))['labels'].numpy()
        assert np.array_equal(session.run(['labels'], {'image': image})[0], expected)


def test_file_is_clean(exported: tuple[Any, Path]) -> None:
    model = onnx.load(str(exported[1]))
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ['image']
    assert [o.name for o in model.graph.output] == OUTPUTS
    assert [(o.domain, o.version) for o in model.opset_import] == [('', GraphFile().opset)]
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    assert all(size.dim_param for size in sizes[:3])
    assert sizes[3].dim_value == 3
    # The exporter writes stack traces, with paths of the machine, into every node.
    content = exported[1].read_bytes()
    assert b'.py' not in content
    assert str(Path.cwd()).encode() not in content
    # Batch normalisation is folded into the convolutions.
    assert 'BatchNormalization' not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize(
    ('kind', 'options'),
    [
        ('evidence_stream', {}),
        ('evidence_stream', {'sharpness': 0.5, 'mirrored': True}),
        ('unknown_stream', {}),
        ('unknown_stream', {'sharpness': 2.0}),
    ],
)
def test_octaves_of_a_second_stream_are_in_the_file(
    make_detector: Any, tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    network = {'base': 'streetnet', 'base_options': STREETNET, 'octaves': 2, **options}
    detector = make_detector(kind, '128x64', network=network, scores=('max_logit', 'energy'))
    with torch.no_grad():
        for parameter in detector.segmenter.stream.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    export(detector, tmp_path / 'detector.onnx')
    session = onnxruntime.InferenceSession(str(tmp_path / 'detector.onnx'))
    image = np.random.default_rng(1).integers(0, 256, (2, 64, 128, 3), np.uint8)
    with torch.inference_mode():
        expected = detector.run(torch.from_numpy(image), ('energy',))['energy'].numpy()
        detector.segmenter.octaves = 1
        single = detector.run(torch.from_numpy(image), ('energy',))['energy'].numpy()
    found = session.run(['energy'], {'image': image})[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert float(np.abs(single - expected).max()) > 1e-3


REFINED = [
    'labels', 'confidence',
    'max_logit', 'max_logit+sml', 'max_logit+sml+suppress', 'max_logit+sml+suppress+smooth',
    'max_logit+sml+suppress+smooth+vde', 'max_logit+suppress+smooth', 'max_logit+vde',
]  # fmt: skip


@pytest.fixture(scope='module')
def refined(make_detector: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    detector = make_detector(
        'streetnet', '64x48', scores=('max_logit',), drivable=(0, 2, 3),
        refinements=(*REFINEMENTS_DEFAULT, 'suppress+smooth', 'vde'),
    )  # fmt: skip
    path = tmp_path_factory.mktemp('refined') / 'detector.onnx'
    export(detector, path)
    return detector, path


@pytest.mark.parametrize('batch', [1, 3])
def test_refined_outputs_follow_the_graphs_own_labels(
    refined: tuple[Any, Path], batch: int
) -> None:
    """At the network's size the graph's labels and score are what it refines: exactly that."""
    detector, path = refined
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    assert [i.name for i in session.get_inputs()] == ['image', 'statistics']
    assert [o.name for o in session.get_outputs()] == REFINED
    image = np.random.default_rng(1).integers(0, 256, (batch, 48, 64, 3), np.uint8)
    image = image // 8 + np.arange(0, 224, 3.5).astype(np.uint8)[None, None, :, None]
    statistics = np.stack([np.linspace(-1, 1, 7), np.linspace(0.5, 2, 7)])[None].astype('f4')
    feeds = {'image': image, 'statistics': statistics}
    results = dict(zip(REFINED, session.run(REFINED, feeds), strict=True))
    assert len(np.unique(results['labels'])) > 1
    expected = RefinedScores(
        lambda: torch.from_numpy(results['labels']), lambda name: torch.from_numpy(results[name]),
        ('max_logit',), torch.from_numpy(statistics), detector.drivable,
    )  # fmt: skip
    for name in REFINED[3:]:
        ours = expected.get(*split_output(name)).numpy()
        assert np.mean(np.abs(ours - results[name]) > 1e-4) < (0.02 if 'vde' in name else 1e-9)
        assert np.abs(ours - results['max_logit']).max() > 1e-3, name


class Unexportable(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.sort(image.numpy(), axis=1))


def test_what_cannot_be_exported_leaves_no_file(tmp_path: Path) -> None:
    detector = Detector(Unexportable(), Preprocessing(), Size(32, 16), ('max_logit',))
    with pytest.raises(ExportError, match='Unexportable cannot be exported to ONNX'):
        export(detector, tmp_path / 'x.onnx')
    assert list(tmp_path.iterdir()) == []


def test_other_numbers_are_refused(
    make_detector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    module = sys.modules[export_function.__module__]
    detector = make_detector('streetnet', '64x32', 3)
    real = module._centre_label_pixels

    def damage(model: Any) -> None:
        real(model)
        biases = [
            i for i in model.graph.initializer if 'classifier' in i.name and 'bias' in i.name
        ]
        values = onnx.numpy_helper.to_array(biases[0]) + 1
        biases[0].CopyFrom(onnx.numpy_helper.from_array(values, biases[0].name))

    monkeypatch.setattr(module, '_centre_label_pixels', damage)
    with pytest.raises(ExportError, match="output 'max_logit' differs from PyTorch: by 1"):
        export(detector, tmp_path / 'x.onnx')
    assert list(tmp_path.iterdir()) == []


def test_tolerances() -> None:
    labels = np.zeros((1, 100, 100), np.uint8)
    few, many = labels.copy(), labels.copy()
    few[0, 0, :9], many[0, 0, :11] = 1, 1
    assert difference(labels, few) is None
    assert 'only 99.89% of the pixels are equal' in str(difference(labels, many))
    score = np.full((1, 2, 2), 10, np.float32)
    assert difference(score, score + np.float32(0.009)) is None
    assert 'by 0.02' in str(difference(score, score + np.float32(0.02)))
    patched = np.full((1, 100, 100), 10, np.float32)
    patched[0, 0, :99] += 5
    assert 'by 5' in str(difference(patched, np.full_like(patched, 10)))
    assert difference(patched, np.full_like(patched, 10), follows_labels=True) is None
    patched[0, 1, :3] += 5
    assert 'by ' in str(difference(patched, np.full_like(patched, 10), follows_labels=True))
    assert 'instead of' in str(difference(score, score[0]))
    assert 'instead of' in str(difference(score, score.astype(np.float64)))
