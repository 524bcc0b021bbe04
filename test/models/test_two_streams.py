# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Second streams: what they change in the logits, and what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from anomaly_seg_ros.models import (  # noqa: E402
    EvidenceStream,
    ModelError,
    UnknownStream,
    create_segmenter,
)

BASES: dict[str, dict[str, Any]] = {
    'erfnet': {'num_classes': 8, 'known_classes': 7},
    'litenet': {},
    'streetnet': {'widths': [8, 8, 16, 16], 'depths': [1, 1, 1, 1], 'neck': 8, 'head': 8},
}


def _stream(base: str, octaves: int = 1) -> UnknownStream:
    torch.manual_seed(0)
    network = create_segmenter('unknown_stream', num_classes=7, base=base,
                               base_options=BASES[base], octaves=octaves)  # fmt: skip
    assert isinstance(network, UnknownStream)
    return network.eval()


@pytest.mark.parametrize('octaves', [1, 2])
@pytest.mark.parametrize('base', list(BASES))
def test_a_new_stream_changes_nothing(base: str, octaves: int) -> None:
    network = _stream(base, octaves)
    trained = create_segmenter(base, **{'num_classes': 7, **BASES[base]})
    network.adopt(trained.eval())
    network.eval()
    image = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        expected = trained(image)
        shift = network(image) - expected
    # The same for all pixels and classes: no score's order changes.
    torch.testing.assert_close(shift, torch.full_like(shift, 9.0), rtol=0, atol=1e-3)
    assert network.num_classes == expected.shape[1] == 7
    assert expected.shape[2:] == (64 // network.stride, 96 // network.stride)


@pytest.mark.parametrize('base', list(BASES))
def test_a_trained_stream_takes_as_much_from_all_logits(base: str) -> None:
    """Labels and softmax stay; the largest logit falls by what the stream says."""
    network = _stream(base)
    with torch.no_grad():
        for parameter in network.stream.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        plain, now = network.base(image), network(image)
        taken = network.stream.finish(network.base.begin(image))
    assert taken.shape[1] == 1
    assert float(taken.std()) > 0
    torch.testing.assert_close(plain - now, 3 * taken.expand_as(plain), rtol=0, atol=1e-3)
    torch.testing.assert_close(network.said(image), taken, rtol=0, atol=1e-6)
    torch.testing.assert_close(now.softmax(1), plain.softmax(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize('base', list(BASES))
def test_evidence_raises_or_lowers_all_logits_alike(base: str) -> None:
    """A new stream changes nothing; a trained one brings its energy, not its class."""
    torch.manual_seed(0)
    trained = create_segmenter(base, **{'num_classes': 7, **BASES[base]}).eval()
    network = create_segmenter('evidence_stream', num_classes=7, base=base,
                               base_options=BASES[base])  # fmt: skip
    assert isinstance(network, EvidenceStream)
    network.adopt(trained)
    network.eval()
    image = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        plain = trained(image)
        torch.testing.assert_close(network(image), plain, rtol=0, atol=1e-5)
    with torch.no_grad():
        for parameter in network.stream.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    with torch.inference_mode():
        now, said = network(image), network.said(image)
    assert said.shape == plain.shape
    assert bool((said.argmax(1) != plain.argmax(1)).any())
    torch.testing.assert_close(now.logsumexp(1), said.logsumexp(1), rtol=0, atol=1e-4)
    torch.testing.assert_close(now.softmax(1), plain.softmax(1), rtol=0, atol=1e-4)


def _trained(kind: str, **options: Any) -> EvidenceStream | UnknownStream:
    torch.manual_seed(0)
    network = create_segmenter(kind, num_classes=7, base='erfnet', base_options=BASES['erfnet'],
                               **options).eval()  # fmt: skip
    assert isinstance(network, EvidenceStream | UnknownStream)
    with torch.no_grad():
        for parameter in network.stream.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def _halved(image: torch.Tensor) -> torch.Tensor:
    parts = [image[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(parts).mean(0)


@pytest.mark.parametrize('octaves', [1, 2, 3])
@pytest.mark.parametrize('kind', ['evidence_stream', 'unknown_stream'])
def test_octaves_are_averaged(kind: str, octaves: int) -> None:
    """What counts is the mean of what the stream says of the picture, its half, its quarter."""
    network = _trained(kind, octaves=octaves)
    image = torch.rand(2, 3, 64, 96)
    seen, found = image, []
    with torch.inference_mode():
        for _ in range(octaves):
            said = network.said(seen)
            value = said.logsumexp(1, keepdim=True) if kind == 'evidence_stream' else said
            found.append(torch.nn.functional.interpolate(value, (64, 96), mode='bilinear'))
            seen = _halved(seen)
        expected = torch.stack(found).mean(0)
        plain, now = network.base(image), network(image)
    if kind == 'evidence_stream':
        torch.testing.assert_close(now.logsumexp(1, keepdim=True), expected, rtol=0, atol=1e-4)
    else:
        taken = (3 * expected).expand_as(plain)
        torch.testing.assert_close(plain - now, taken, rtol=0, atol=1e-3)
    torch.testing.assert_close(now.softmax(1), plain.softmax(1), rtol=0, atol=1e-4)
    if octaves > 1:
        assert float((found[0] - found[1]).abs().max()) > 1e-2


@pytest.mark.parametrize('sharpness', [0.01, 0.5, 4.0])
@pytest.mark.parametrize('kind', ['evidence_stream', 'unknown_stream'])
def test_a_sharp_stream_hears_the_octave_that_doubts_most(kind: str, sharpness: float) -> None:
    network = _trained(kind, octaves=3, sharpness=sharpness)
    image = torch.rand(1, 3, 64, 96)
    seen, found = image, []
    with torch.inference_mode():
        for _ in range(3):
            said = network.said(seen)
            # For the classes: their energy, or the negative odds that nothing known is there.
            value = said.logsumexp(1, keepdim=True) if kind == 'evidence_stream' else -said
            value = torch.nn.functional.interpolate(value, (64, 96), mode='bilinear')
            found.append(value[0, 0].double().numpy())
            seen = _halved(seen)
        plain, now = network.base(image), network(image)
    expected = -np.log(np.mean([np.exp(-sharpness * v) for v in found], 0)) / sharpness
    if kind == 'evidence_stream':
        taken = now.logsumexp(1)[0]
    else:
        taken = (now - plain)[0].mean(0) / network.gain
    np.testing.assert_allclose(taken.numpy(), expected, rtol=0, atol=1e-3)
    assert (expected >= np.min(found, 0) - 1e-9).all()
    assert (expected <= np.mean(found, 0) + 1e-9).all()
    torch.testing.assert_close(now.softmax(1), plain.softmax(1), rtol=0, atol=1e-4)


@pytest.mark.parametrize('kind', ['evidence_stream', 'unknown_stream'])
def test_a_mirrored_stream_averages_what_it_says_of_both_pictures(kind: str) -> None:
    """From the second octave on; the first is seen as it is."""
    network = _trained(kind, octaves=3, mirrored=True)
    image = torch.rand(2, 3, 64, 96)

    def heard(seen: torch.Tensor) -> torch.Tensor:
        said = network.said(seen)
        value = said.logsumexp(1, keepdim=True) if kind == 'evidence_stream' else -said
        return torch.nn.functional.interpolate(value, (64, 96), mode='bilinear')

    with torch.inference_mode():
        half, quarter = _halved(image), _halved(_halved(image))
        pairs = [(heard(seen), heard(seen.flip(3)).flip(3)) for seen in (half, quarter)]
        expected = (heard(image) + sum((a + b) / 2 for a, b in pairs)) / 3
        plain, now = network.base(image), network(image)
    if kind == 'evidence_stream':
        taken = now.logsumexp(1, keepdim=True)
    else:
        taken = (now - plain).mean(1, keepdim=True) / network.gain
    torch.testing.assert_close(taken, expected, rtol=0, atol=1e-3)
    assert float((pairs[0][0] - pairs[0][1]).abs().max()) > 1e-2


def test_weights_of_one_load_into_another() -> None:
    first, second = _stream('streetnet'), _stream('streetnet')
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(0.1)
    second.load_state_dict(first.state_dict())
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(first(image), second(image))


def test_the_stream_holds_no_layer_that_it_shares() -> None:
    names = [name for name, _ in _stream('erfnet').stream.named_parameters()]
    assert not any('initial_block' in name or 'encoder.layers.5' in name for name in names)
    assert any('encoder.layers.6' in name for name in names)
    lite = [name for name, _ in _stream('litenet').stream.named_parameters()]
    assert lite
    assert not any(name.startswith(('stem', 'blocks')) for name in lite)


@pytest.mark.parametrize(
    ('base', 'options', 'message'),
    [
        ('unknown_stream', {'base_options': {'base': 'erfnet'}}, 'cannot be split'),
        ('erfnet', {'gain': 0.0}, 'gain=0.0, expected more than 0'),
        ('erfnet', {'octaves': 0}, 'octaves=0, expected 1 to 4'),
        ('erfnet', {'octaves': 5}, 'octaves=5, expected 1 to 4'),
        ('erfnet', {'sharpness': -1.0}, 'sharpness=-1.0, expected a finite number from 0'),
        ('erfnet', {'sharpness': float('inf')}, 'sharpness=inf, expected a finite number'),
        ('erfnet', {'sharpness': float('nan')}, 'sharpness=nan, expected a finite number'),
        ('deeplabv3plus', {}, "'deeplabv3plus' cannot be split into shared and own layers"),
    ],
)
def test_networks_that_cannot_be_split_are_refused(
    base: str, options: dict[str, Any], message: str
) -> None:
    if base == 'deeplabv3plus':
        pytest.importorskip('segmentation_models_pytorch')
    with pytest.raises(ModelError, match=message):
        create_segmenter('unknown_stream', num_classes=7, base=base, **options)
