# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector in PyTorch: what it computes, at which size, and what it leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from anomaly_seg_ros.bundle import Preprocessing  # noqa: E402
from anomaly_seg_ros.detector import Detector  # noqa: E402
from anomaly_seg_ros.detector.portable import PortableDetector, phase_kernel  # noqa: E402
from anomaly_seg_ros.refinement import RefinementError, output_name  # noqa: E402
from anomaly_seg_ros.refinement.chain import RefinedScores  # noqa: E402
from anomaly_seg_ros.size import Size  # noqa: E402

ALL = ('labels', 'confidence', 'max_softmax', 'entropy', 'max_logit', 'energy', 'max_min')


class Channels(nn.Module):
    """Logits are the normalised colour channels themselves, at a stride."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.seen: tuple[int, ...] = ()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.seen = tuple(image.shape)
        return image[:, :, :: self.stride, :: self.stride]


def random_image(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize('shape', [(1, 8, 12), (2, 30, 17), (1, 3, 5), (1, 1, 1), (1, 1, 40)])
def test_outputs_have_the_images_size(shape: tuple[int, ...]) -> None:
    detector = Detector(Channels(), Preprocessing(), Size(12, 8), ALL[2:])
    outputs = detector(random_image(*shape))
    assert detector.output_names == ALL
    for name, output in zip(ALL, outputs, strict=True):
        assert output.shape == shape
        assert output.dtype == (torch.uint8 if name in ALL[:2] else torch.float32)
    assert detector.segmenter.seen == (shape[0], 3, 8, 12)


def test_pixels_by_hand() -> None:
    preprocessing = Preprocessing((0.2, 0.0, 0.0), (0.5, 1.0, 1.0))
    detector = Detector(Channels(), preprocessing, Size(2, 1), ('max_logit', 'max_softmax'))
    image = torch.tensor([[[[255, 0, 51], [51, 0, 102]]]], dtype=torch.uint8)
    labels, confidence, max_logit, max_softmax = detector(image)
    # Left: (1 - 0.2) / 0.5 = 1.6, 0, 0.2; right: 0, 0, 0.4.
    assert labels.tolist() == [[[0, 2]]]
    torch.testing.assert_close(max_logit, torch.tensor([[[-1.6, -0.4]]]))
    p = torch.softmax(torch.tensor([[1.6, 0, 0.2], [0, 0, 0.4]]), 1).amax(1)
    torch.testing.assert_close(max_softmax[0, 0], 1 - p)
    assert confidence[0, 0].tolist() == (255 * p).round().tolist()


def test_logits_are_upsampled_before_the_decision() -> None:
    """Labels of upsampled logits are not upsampled labels."""
    detector = Detector(Channels(4), Preprocessing(), Size(32, 16), ('max_logit',))
    image = random_image(1, 16, 32)
    logits = image[:, ::4, ::4].permute(0, 3, 1, 2).float() / 255
    expected = F.interpolate(logits, (16, 32), mode='bilinear', align_corners=False)
    labels, _, score = detector(image)
    assert torch.equal(labels.long(), expected.argmax(1))
    torch.testing.assert_close(score, -expected.amax(1))


def test_labels_are_resized_with_half_pixel_centres() -> None:
    detector = Detector(Channels(), Preprocessing(), Size(4, 1), ('max_logit',))
    image = torch.zeros((1, 1, 8, 3), dtype=torch.uint8)
    image[0, 0, :, 0] = 200
    image[0, 0, 4:, 1] = 255
    assert detector(image)[0].tolist() == [[[0, 0, 0, 0, 1, 1, 1, 1]]]
    small = Detector(Channels(), Preprocessing(), Size(6, 1), ('max_logit',))
    narrow = torch.tensor([[[[200, 0, 0], [0, 200, 0]]]], dtype=torch.uint8)
    assert small(narrow)[0].tolist() == [[[0, 1]]]


def test_only_what_is_asked_for_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector(Channels(), Preprocessing(), Size(12, 8), ALL[2:])
    image = random_image(1, 8, 12)
    full = dict(zip(ALL, detector(image), strict=True))
    monkeypatch.setattr(torch.Tensor, 'exp', _refuse)
    partly = detector.run(image, ('labels', 'max_logit'))
    assert list(partly) == ['labels', 'max_logit']
    for name, value in partly.items():
        assert torch.equal(value, full[name])
    monkeypatch.setattr(torch.Tensor, 'argmax', _refuse)
    assert list(detector.run(image, ('max_min',))) == ['max_min']


def _refuse(*_: Any, **__: Any) -> None:
    msg = 'computed for nothing'
    raise AssertionError(msg)


def test_unknown_names_list_what_exists() -> None:
    with pytest.raises(KeyError, match="unknown score 'nope'; choose one of: max_softmax"):
        Detector(Channels(), Preprocessing(), Size(4, 4), ('nope',))


@pytest.mark.parametrize('factor', [2, 3, 4, 8])
def test_phases_are_the_bilinear_upsampling(factor: int) -> None:
    x = torch.randn(2, 1, 5, 6)
    padded = F.pad(x, (1, 1, 1, 1), mode='replicate')
    phases = F.conv2d(padded, phase_kernel(factor).float())
    ours = F.pixel_shuffle(phases, factor)
    expected = F.interpolate(x, scale_factor=factor, mode='bilinear', align_corners=False)
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(('stride', 'size'), [(1, '12x8'), (2, '12x8'), (4, '12x8'), (4, '14x9')])
@pytest.mark.parametrize('shape', [(1, 8, 12), (2, 16, 24)])
def test_portable_form_gives_the_same_numbers(
    stride: int, size: str, shape: tuple[int, ...]
) -> None:
    detector = Detector(Channels(stride), Preprocessing(), Size.parse(size), ALL[2:])
    image = random_image(*shape)
    portable = PortableDetector(detector)
    for name, ours, theirs in zip(ALL, detector(image), portable(image), strict=True):
        if name == 'labels':
            # Its nearest-neighbour convention is set in the exported file.
            continue
        if name == 'confidence':
            assert int((ours.int() - theirs.int()).abs().max()) <= 1
        else:
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


REFINEMENTS = ('none', 'sml', 'suppress+smooth', 'sml+suppress+smooth+vde')
STATISTICS = torch.tensor([
    [[-0.6, -0.5, -0.4], [0.2, 0.3, 0.1]],
    [[0.9, 0.8, 0.7], [0.1, 0.2, 0.1]],
])  # fmt: skip


def refined_detector(stride: int, size: str) -> Detector:
    return Detector(
        Channels(stride), Preprocessing(), Size.parse(size), ('max_logit', 'entropy'),
        REFINEMENTS, (0,),
    )  # fmt: skip


def test_refinement_works_at_the_networks_size_before_resizing() -> None:
    detector = refined_detector(1, '30x20')
    assert detector.takes_statistics
    image = random_image(2, 20, 30)
    results = dict(zip(detector.output_names, detector(image, STATISTICS), strict=True))
    assert list(results) == list(detector.output_names)
    assert detector.output_names[2:6] == (
        'max_logit', 'max_logit+sml', 'max_logit+suppress+smooth',
        'max_logit+sml+suppress+smooth+vde',
    )  # fmt: skip
    # At the network's own size nothing is resized: the maps are those that are refined.
    refined = RefinedScores(
        lambda: results['labels'], results.__getitem__, ('max_logit', 'entropy'), STATISTICS, (0,)
    )
    for score in ('max_logit', 'entropy'):
        for refinement in REFINEMENTS:
            name = output_name(score, refinement)
            torch.testing.assert_close(results[name], refined.get(score, refinement), msg=name)
    larger = detector.run(random_image(1, 50, 33), ('entropy+sml',), STATISTICS)['entropy+sml']
    assert larger.shape == (1, 50, 33)


@pytest.mark.parametrize(('stride', 'size'), [(1, '30x20'), (4, '32x20'), (4, '34x21')])
def test_portable_form_refines_alike(stride: int, size: str) -> None:
    detector = refined_detector(stride, size)
    image = random_image(2, *Size.parse(size).shape)
    portable = PortableDetector(detector)
    assert portable.output_names == detector.output_names
    both = detector(image, STATISTICS), portable(image, STATISTICS)
    for name, ours, theirs in zip(detector.output_names, *both, strict=True):
        if name not in ('labels', 'confidence'):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4, msg=name)


def test_statistics_are_asked_for_where_they_are_needed() -> None:
    detector = refined_detector(1, '12x8')
    image = random_image(1, 8, 12)
    assert list(detector.run(image, ('labels', 'entropy', 'entropy+suppress+smooth'))) == [
        'labels', 'entropy', 'entropy+suppress+smooth',
    ]  # fmt: skip
    with pytest.raises(RefinementError, match='entropy\\+sml needs class statistics'):
        detector.run(image, ('entropy+sml',))
    with pytest.raises(RefinementError, match=r'shape \(1, 2, 3\), expected \(2, 2, 3\)'):
        detector.run(image, ('labels',), STATISTICS[:1])
    assert not Detector(
        Channels(), Preprocessing(), Size(4, 4), ('energy',), ('none', 'smooth')
    ).takes_statistics
    with pytest.raises(RefinementError, match="received the refinement 'blur'"):
        Detector(Channels(), Preprocessing(), Size(4, 4), ('energy',), ('blur',))


def test_batches_are_independent(make_detector: Any) -> None:
    detector = make_detector()
    first, second = random_image(1, 50, 70, seed=1), random_image(1, 50, 70, seed=2)
    with torch.inference_mode():
        both = detector(torch.cat([first, second]))
        alone = detector(second)
    for a, b in zip(both, alone, strict=True):
        np.testing.assert_allclose(a[1:].numpy(), b.numpy(), atol=1e-4)
