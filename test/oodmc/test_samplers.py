# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stochastic forwards: fast samplers against the naive one, masks, exact moments."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch')

from torch import nn  # noqa: E402

from anomaly_seg_ros.models import Segmenter, create_segmenter  # noqa: E402
from anomaly_seg_ros.oodmc import (  # noqa: E402
    NaiveSampler,
    OodmcError,
    Sampling,
    create_sampler,
    dropout_layers,
    moment_stack,
    resolve,
)
from anomaly_seg_ros.oodmc.erfnet import (  # noqa: E402
    LAST,
    LAST_TRAINED,
    ErfnetCoarseSampler,
    ErfnetHeadSampler,
    ErfnetTailSampler,
)
from anomaly_seg_ros.oodmc.linear import ClassifierSampler, LinearHead  # noqa: E402
from anomaly_seg_ros.oodmc.masks import draw  # noqa: E402
from anomaly_seg_ros.oodmc.sampler import HeadSampler  # noqa: E402

STREETNET = {'widths': (8, 8, 8, 8), 'depths': (1, 1, 1, 1), 'neck': 8, 'head': 6}


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def random_network(name: str, **options: object) -> Segmenter:
    """A network whose batch norms have statistics of their own, so that all modes differ."""
    torch.manual_seed(0)
    segmenter = create_segmenter(name, **options).eval()
    for module in segmenter.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.3, 1.5)
    return segmenter


@pytest.fixture(scope='module')
def erfnet() -> Segmenter:
    return random_network('erfnet', num_classes=6, known_classes=5)


@pytest.fixture(scope='module')
def streetnet() -> Segmenter:
    return random_network('streetnet', num_classes=5, dropout=0.2, **STREETNET)


@pytest.fixture(scope='module')
def image() -> torch.Tensor:
    return torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(1))


def close(received: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare (order, ...) moments, each order in its own unit."""
    assert received.shape == expected.shape
    for value, reference in zip(received, expected, strict=True):
        atol = 1e-4 * float(reference.abs().max())
        torch.testing.assert_close(value, reference, rtol=1e-3, atol=atol)


ERFNET_LAYERS = (
    (LAST,),
    ('decoder.layers.4.dropout',),
    ('encoder.layers.14.dropout', LAST),
    ('encoder.layers.2.dropout', 'encoder.layers.9.dropout', 'decoder.layers.1.dropout'),
    ('all',),
)


@pytest.mark.parametrize('layers', ERFNET_LAYERS, ids=lambda layers: '+'.join(layers))
@pytest.mark.parametrize('pool', [1, 2])
@pytest.mark.parametrize('softmax', [False, True], ids=['logits', 'softmax'])
def test_erfnet_gives_the_statistics_of_whole_forwards(
    erfnet: Segmenter, image: torch.Tensor, layers: tuple[str, ...], pool: int, softmax: bool
) -> None:
    rates = resolve(erfnet, layers)
    fast = Sampling(rates, samples=9, seed=3, pool=pool)
    naive = Sampling(rates, samples=9, seed=3, pool=pool, naive=True)
    quick, whole = create_sampler(erfnet, fast), create_sampler(erfnet, naive)
    assert isinstance(whole, NaiveSampler)
    assert isinstance(quick, ErfnetHeadSampler if layers == (LAST,) else ErfnetTailSampler)
    assert quick.stride == whole.stride == pool
    received = moment_stack(quick, fast, image, 4, softmax=softmax)
    close(received, moment_stack(whole, naive, image, 4, softmax=softmax))
    assert received.shape == (4, 5, 32 // pool, 64 // pool)
    assert float(received[1].mean()) > 0


@pytest.mark.parametrize('softmax', [False, True], ids=['logits', 'softmax'])
def test_a_classifier_behind_a_dropout_gives_the_statistics_of_whole_forwards(
    streetnet: Segmenter, image: torch.Tensor, softmax: bool
) -> None:
    rates = resolve(streetnet)
    assert rates == {'dropout': 0.2}
    fast, naive = Sampling(rates, samples=9), Sampling(rates, samples=9, naive=True)
    quick = create_sampler(streetnet, fast)
    assert isinstance(quick, ClassifierSampler)
    received = moment_stack(quick, fast, image, 4, softmax=softmax)
    whole = create_sampler(streetnet, naive)
    close(received, moment_stack(whole, naive, image, 4, softmax=softmax))


@pytest.mark.parametrize('kind', [nn.Dropout2d, nn.Dropout])
def test_a_head_that_is_not_linear_is_repeated_alone(
    image: torch.Tensor, kind: type[nn.Module]
) -> None:
    segmenter = random_network('streetnet', num_classes=5, **STREETNET)
    segmenter.dropout = kind(0.4)
    segmenter.classifier = nn.Conv2d(6, 5, 3, padding=1)
    sampling = Sampling(resolve(segmenter), samples=6)
    quick = create_sampler(segmenter.eval(), sampling)
    assert isinstance(quick, HeadSampler)
    whole = NaiveSampler(segmenter, sampling.rates)
    close(
        moment_stack(quick, sampling, image, 4), moment_stack(whole, sampling, image, 4)
    )  # fmt: skip


def slow_coarse(
    segmenter: Segmenter, image: torch.Tensor, count: int, *, softmax: bool
) -> torch.Tensor:
    """Coarse forwards module by module, sample by sample; two-pass moments in float64."""
    block = segmenter.encoder.layers[14]
    x = segmenter.encoder.initial_block(image)
    for layer in segmenter.encoder.layers[:14]:
        x = layer(x)
    y = block.branch(x)

    def logits(features: torch.Tensor) -> torch.Tensor:
        whole = segmenter.decoder(features)[:, : segmenter.num_classes]
        return nn.functional.avg_pool2d(whole, 2).double()[0]

    def values(features: torch.Tensor) -> torch.Tensor:
        return logits(features).softmax(0) if softmax else logits(features)

    small_x = nn.functional.avg_pool2d(x, 2, ceil_mode=True)
    small_y = nn.functional.avg_pool2d(y, 2, ceil_mode=True)
    samples = []
    for index in range(count):
        mask = draw(3, LAST_TRAINED, index, 1, (128,), 0.3)[0]
        samples.append(values((small_y * mask[:, None, None] + small_x).relu()))
    samples = torch.stack(samples)
    mean = samples.mean(0)
    rows = [mean - values((small_y + small_x).relu())]
    rows += [((samples - mean) ** k).mean(0) for k in (2, 3, 4)]
    fine = values((y + x).relu())
    stack = nn.functional.interpolate(
        torch.stack(rows), scale_factor=2, mode='bilinear', align_corners=False
    )
    stack = stack[..., : fine.shape[1], : fine.shape[2]]
    stack[0] += fine
    return stack


@pytest.mark.parametrize('softmax', [False, True], ids=['logits', 'softmax'])
@pytest.mark.parametrize('size', [(32, 64), (24, 40)], ids=['even', 'odd'])
def test_coarse_forwards_are_what_they_say(
    erfnet: Segmenter, size: tuple[int, int], softmax: bool
) -> None:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2))
    sampling = Sampling(resolve(erfnet), samples=6, seed=3, pool=2, coarse=True)
    sampler = create_sampler(erfnet, sampling)
    assert isinstance(sampler, ErfnetCoarseSampler)
    received = moment_stack(sampler, sampling, image, 4, softmax=softmax)
    expected = slow_coarse(erfnet, image, 6, softmax=softmax)
    if softmax:
        expected[0].clamp_(min=0)
    assert received.shape == (4, 5, size[0] // 2, size[1] // 2)
    close(received, expected.float())


def test_without_dropout_coarse_forwards_are_the_whole_network(
    erfnet: Segmenter, image: torch.Tensor
) -> None:
    sampling = Sampling({LAST_TRAINED: 0.0}, samples=3, pool=2, coarse=True)
    stack = moment_stack(create_sampler(erfnet, sampling), sampling, image, 2)
    expected = nn.functional.avg_pool2d(erfnet(image), 2)[0]
    torch.testing.assert_close(stack[0], expected, rtol=1e-4, atol=1e-5)
    assert float(stack[1].abs().max()) < 1e-9


def test_the_network_keeps_its_weights_when_a_copy_is_folded(
    erfnet: Segmenter, image: torch.Tensor
) -> None:
    before = erfnet(image)
    create_sampler(erfnet, Sampling(resolve(erfnet), coarse=True))
    assert torch.equal(erfnet(image), before)


def test_samples_are_what_dropout_gives(erfnet: Segmenter, image: torch.Tensor) -> None:
    """Against PyTorch's own dropout in training mode: mean and spread over many forwards."""
    layer = erfnet.get_submodule('encoder.layers.14.dropout')
    rates = {'encoder.layers.14.dropout': layer.p}
    sampler = create_sampler(erfnet, Sampling(rates))
    ours = sampler.moments(sampler.prepare(image), 2, 0, 400).stack()
    layer.train()
    torch.manual_seed(5)
    theirs = torch.cat([erfnet(image.expand(50, -1, -1, -1)) for _ in range(8)])
    layer.eval()
    spread = theirs.std(0)
    assert float(((ours[0] - theirs.mean(0)).abs() / (spread + 1e-6)).mean()) < 0.15
    assert float((ours[1].sqrt() / spread.clamp(min=1e-6)).median()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize('layers', [(LAST,), ('encoder.layers.14.dropout',)])
def test_parts_of_a_stream_merge_to_the_whole(
    erfnet: Segmenter, image: torch.Tensor, layers: tuple[str, ...]
) -> None:
    sampler = create_sampler(erfnet, Sampling(resolve(erfnet, layers)))
    prepared = sampler.prepare(image)
    whole = sampler.moments(prepared, 4, 7, 40, batch=3)
    first = sampler.moments(prepared, 4, 7, 16, batch=16)
    first.merge(sampler.moments(prepared, 4, 7, 24, first=16, batch=5))
    assert first.count == whole.count == 40
    close(first.stack(), whole.stack())
    # And to the batch of all samples at once.
    samples = sampler.draw(prepared, 7, 0, 40).double()
    mean = samples.mean(0)
    close(
        whole.stack().double(),
        torch.stack([mean, *(((samples - mean) ** k).mean(0) for k in (2, 3, 4))]),
    )


def test_blocks_of_samples_merge_to_the_whole(
    streetnet: Segmenter, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = create_sampler(streetnet, Sampling(resolve(streetnet)))
    prepared = sampler.prepare(image)
    whole = sampler.moments(prepared, 4, 0, 23)
    monkeypatch.setattr('anomaly_seg_ros.oodmc.linear._BLOCK', 5)
    parts = sampler.moments(prepared, 4, 0, 23)
    assert parts.count == whole.count == 23
    close(parts.stack(), whole.stack())


def test_the_seed_decides_and_nothing_else(erfnet: Segmenter, image: torch.Tensor) -> None:
    sampler = create_sampler(erfnet, Sampling(resolve(erfnet), coarse=True))
    prepared = sampler.prepare(image)
    torch.manual_seed(1)
    one = sampler.moments(prepared, 4, 0, 20).stack()
    torch.manual_seed(2)
    assert torch.equal(one, sampler.moments(prepared, 4, 0, 20).stack())
    assert not torch.equal(one, sampler.moments(prepared, 4, 1, 20).stack())


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**40),
    first=st.integers(0, 50),
    count=st.integers(1, 9),
    channels=st.integers(1, 40),
    rate=st.floats(0, 0.9),
)
def test_a_mask_depends_on_its_own_number_alone(
    seed: int, first: int, count: int, channels: int, rate: float
) -> None:
    masks = draw(seed, 'layer', first, count, (channels,), rate)
    kept = np.float32(1) / np.float32(1 - rate)
    assert masks.shape == (count, channels)
    assert bool(((masks == 0) | (masks == kept)).all())
    for index in range(count):
        alone = draw(seed, 'layer', first + index, 1, (channels,), rate)
        assert torch.equal(masks[index], alone[0])


def test_layers_and_seeds_have_masks_of_their_own() -> None:
    one = draw(0, 'a', 0, 50, (100,), 0.3)
    assert not torch.equal(one, draw(0, 'b', 0, 50, (100,), 0.3))
    assert not torch.equal(one, draw(1, 'a', 0, 50, (100,), 0.3))
    assert float(one.mean()) == pytest.approx(1, abs=0.03)
    assert float((one == 0).float().mean()) == pytest.approx(0.3, abs=0.02)


def enumerate_moments(head: LinearHead, rate: float) -> np.ndarray:
    """All 2^K masks, each with its probability, one by one; (4, C, R, h * w)."""
    features = head.features.double().numpy()
    channels = len(features)
    weight, base = head.weight.double().numpy(), head.base.double().numpy()
    outcomes, chances = [], []
    for number in range(2**channels):
        kept = np.array([(number >> k) & 1 for k in range(channels)])
        mask = kept / (1 - rate)
        chances.append(np.prod(np.where(kept, 1 - rate, rate)))
        logits = np.einsum('crk,kp->crp', weight, mask[:, None] * features) + base
        outcomes.append(logits)
    chance = np.array(chances)[:, None, None, None]
    values = np.stack(outcomes)
    mean = (chance * values).sum(0)
    return np.stack([mean, *((chance * (values - mean) ** k).sum(0) for k in (2, 3, 4))])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), rate=st.floats(0.01, 0.8), side=st.sampled_from((1, 2)))
def test_exact_moments_are_those_of_all_masks(seed: int, rate: float, side: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    head = LinearHead(random(3, 1, 1), random(5, 6), random(3, side**2, 5), (2, 3))
    sampler = ErfnetHeadSampler.__new__(ErfnetHeadSampler)
    sampler.rate = rate
    received = sampler.exact(head, 4)
    expected = torch.from_numpy(enumerate_moments(head, rate))
    assert received.shape == (4, 3, 2 * side, 3 * side)
    maps = nn.functional.pixel_shuffle(expected.reshape(4, -1, 2, 3), side)
    torch.testing.assert_close(received, maps, rtol=1e-9, atol=1e-9)


def test_many_samples_come_close_to_the_exact_moments(
    streetnet: Segmenter, image: torch.Tensor
) -> None:
    rates = resolve(streetnet)
    sampler = create_sampler(streetnet, Sampling(rates))
    many = moment_stack(sampler, Sampling(rates, samples=4000), image, 4)
    exact = moment_stack(sampler, Sampling(rates, samples=0), image, 4)
    for received, expected, tolerance in zip(many, exact, (0.01, 0.1, 0.3, 0.2), strict=True):
        assert float((received - expected).norm() / expected.norm()) < tolerance


def test_batch_norm_in_training_mode_uses_the_batch_and_records_nothing(
    erfnet: Segmenter, image: torch.Tensor
) -> None:
    before = {name: tensor.clone() for name, tensor in erfnet.state_dict().items()}
    rates = resolve(erfnet, ('all',))
    sampling = Sampling(rates, samples=3, batch_norm_in_training=True)
    sampler = create_sampler(erfnet, sampling)
    stack = moment_stack(sampler, sampling, image, 2)
    assert not torch.allclose(stack[0], moment_stack(
        NaiveSampler(erfnet, rates), sampling, image, 2)[0])  # fmt: skip
    assert all(torch.equal(before[name], tensor) for name, tensor in erfnet.state_dict().items())
    assert not any(module.training for module in erfnet.modules())
    # Without dropout it is PyTorch's own training mode.
    quiet = NaiveSampler(erfnet, {LAST: 0.0}, batch_norm_in_training=True)
    ours = quiet.draw(image, 0, 0, 1)
    for module in erfnet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    theirs = erfnet(image)
    erfnet.eval()
    erfnet.load_state_dict(before)
    torch.testing.assert_close(ours, theirs)


def test_forwards_leave_no_trace_in_the_network(erfnet: Segmenter, image: torch.Tensor) -> None:
    before = erfnet(image)
    NaiveSampler(erfnet, resolve(erfnet, ('all',))).draw(image, 0, 0, 2)
    assert torch.equal(erfnet(image), before)


def test_the_paper_s_layers_are_all_that_were_trained_with_dropout(erfnet: Segmenter) -> None:
    rates = resolve(erfnet, ('all',))
    # Five blocks of 64 channels and eight of 128, all in the encoder.
    assert sorted(rates.values()) == [0.03] * 5 + [0.3] * 8
    assert all(name.startswith('encoder') for name in rates)
    assert resolve(erfnet) == {LAST_TRAINED: 0.3}
    assert resolve(erfnet, (LAST,)) == {LAST: 0.3}
    assert resolve(erfnet, rate=0.1) == {LAST_TRAINED: 0.1}


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
@pytest.mark.parametrize('samples', [0, 3])
def test_logits_that_are_no_numbers_are_refused(
    image: torch.Tensor, bad: float, samples: int
) -> None:
    for name, options, layer in (('erfnet', {}, LAST), ('streetnet', STREETNET, 'dropout')):
        segmenter = random_network(name, num_classes=5, **options)
        sampling = Sampling({layer: 0.3}, samples=samples)
        sampler = create_sampler(segmenter, sampling)
        broken = image.clone()
        broken[0, 0, 5, 5] = bad
        with pytest.raises(OodmcError, match='NaN or infinite'):
            moment_stack(sampler, sampling, broken, 4)


def test_half_precision_networks_are_summed_in_single(image: torch.Tensor) -> None:
    segmenter = random_network('streetnet', num_classes=5, **STREETNET)
    sampling = Sampling(resolve(segmenter), samples=5)
    whole = moment_stack(create_sampler(segmenter, sampling), sampling, image, 4)
    half = moment_stack(
        create_sampler(segmenter.half(), sampling), sampling, image.half(), 4
    )  # fmt: skip
    assert half.dtype == torch.float32
    torch.testing.assert_close(half[0], whole[0], rtol=0.05, atol=0.02)


def test_layers_and_numbers_that_cannot_be_used_are_refused(
    erfnet: Segmenter, streetnet: Segmenter, image: torch.Tensor
) -> None:
    with pytest.raises(OodmcError, match=r"'decoder' is no dropout layer of ERFNet, expected"):
        resolve(erfnet, ('decoder',))
    with pytest.raises(OodmcError, match=r'rate 1\.0, expected 0 <= rate < 1'):
        resolve(erfnet, rate=1.0)
    with pytest.raises(OodmcError, match='no dropout layer is active'):
        create_sampler(erfnet, Sampling())
    with pytest.raises(OodmcError, match='received -1 samples'):
        Sampling(samples=-1)
    with pytest.raises(OodmcError, match='pool=3'):
        Sampling(pool=3)
    with pytest.raises(OodmcError, match='seed -1'):
        Sampling(seed=-1)
    with pytest.raises(OodmcError, match=r'coarse forwards exist only .* received dropout of'):
        create_sampler(streetnet, Sampling(resolve(streetnet), coarse=True))
    with pytest.raises(OodmcError, match='coarse forwards exist only'):
        create_sampler(erfnet, Sampling({LAST: 0.3}, coarse=True))
    with pytest.raises(OodmcError, match='exact moments'):
        create_sampler(erfnet, Sampling(resolve(erfnet, ('all',)), samples=0))
    exact = Sampling(resolve(streetnet), samples=0)
    with pytest.raises(OodmcError, match='for logits only'):
        moment_stack(create_sampler(streetnet, exact), exact, image, 2, softmax=True)
    with pytest.raises(OodmcError, match='no dropout layer'):
        resolve(nn.Conv2d(3, 3, 1))


def test_every_dropout_layer_is_known(erfnet: Segmenter, streetnet: Segmenter) -> None:
    assert len(dropout_layers(erfnet)) == 17
    assert dropout_layers(streetnet) == {'dropout': 0.2}
