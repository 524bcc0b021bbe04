# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ISSA's layers and losses, against loops written from the papers' equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from anomaly_seg_training.issa.discriminator import Discriminator, deviation_map
from anomaly_seg_training.issa.filters import TAPS, blur, downsample, upsample
from anomaly_seg_training.issa.generator import Generator
from anomaly_seg_training.issa.layers import EqualConv, EqualLinear, ModulatedConv
from anomaly_seg_training.issa.losses import (
    masked_error,
    noise_divergence,
    path_lengths,
    r1_penalty,
)
from anomaly_seg_training.issa.masking import mask_noise, patch_mask

KERNEL = np.outer(TAPS, TAPS) / 64


def slow_filter(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlate one channel with a kernel, without padding, pixel by pixel."""
    rows, columns = (a - b + 1 for a, b in zip(image.shape, kernel.shape, strict=True))
    result = np.zeros((rows, columns))
    for y in range(rows):
        for x in range(columns):
            part = image[y : y + kernel.shape[0], x : x + kernel.shape[1]]
            result[y, x] = (part * kernel).sum()
    return result


def slow_upsample(image: np.ndarray) -> np.ndarray:
    spread = np.zeros((2 * image.shape[0], 2 * image.shape[1]))
    spread[::2, ::2] = image
    return slow_filter(np.pad(spread, (2, 1)), 4 * KERNEL)


@pytest.mark.parametrize('size', [(3, 5), (4, 4), (1, 2)])
def test_resampling_equals_loops(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    larger = torch.randn(2, 3, 2 * size[0], 2 * size[1], dtype=torch.float64)
    for n in range(2):
        for c in range(3):
            np.testing.assert_allclose(
                upsample(images)[n, c], slow_upsample(images[n, c].numpy()), atol=1e-12
            )
            padded = np.pad(larger[n, c].numpy(), 1)
            np.testing.assert_allclose(
                downsample(larger)[n, c], slow_filter(padded, KERNEL)[::2, ::2], atol=1e-12
            )
            filtered = slow_filter(np.pad(images[n, c].numpy(), (3, 2)), 2 * KERNEL)
            np.testing.assert_allclose(blur(images, (3, 2), 2.0)[n, c], filtered, atol=1e-12)


def test_resampling_keeps_flat_pictures() -> None:
    flat = torch.ones(1, 1, 8, 8)
    torch.testing.assert_close(upsample(flat)[..., 2:-2, 2:-2], torch.ones(1, 1, 12, 12))
    torch.testing.assert_close(downsample(flat)[..., 1:-1, 1:-1], torch.ones(1, 1, 2, 2))


@pytest.mark.parametrize('demodulate', [True, False])
@pytest.mark.parametrize('up', [True, False])
def test_modulated_convolution_equals_the_papers_equations(demodulate: bool, up: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(3, 4, 3, 5, demodulate, up).double()
    x, codes = torch.randn(2, 3, 4, 6).double(), torch.randn(2, 5).double()
    found = layer(x, codes)
    scale = 1 / np.sqrt(3 * 9)
    for n in range(2):
        style = layer.affine.weight / np.sqrt(5) @ codes[n] + layer.affine.bias
        weight = torch.zeros(4, 3, 3, 3, dtype=torch.float64)
        for j in range(4):
            for i in range(3):
                weight[j, i] = style[i] * layer.weight[j, i] * scale
            if demodulate:
                weight[j] /= torch.sqrt((weight[j] ** 2).sum() + 1e-8)
        image = x[n]
        if up:
            # Zeros between the pixels, the weights, then the filter.
            spread = torch.zeros(3, 9, 13, dtype=torch.float64)
            spread[:, 1:9:2, 1:13:2] = image
            image = functional.pad(spread, (1, 1, 1, 1))[:, :11, :15]
            wide = functional.conv2d(image[None], weight)[0]
            expected = np.stack(
                [slow_filter(np.pad(channel.detach().numpy(), 1), 4 * KERNEL) for channel in wide]
            )
        else:
            expected = functional.conv2d(image[None], weight, padding=1)[0].detach().numpy()
        np.testing.assert_allclose(found[n].detach(), expected, atol=1e-10)


def test_demodulation_gives_unit_variance() -> None:
    """Whatever the style: inputs of unit variance leave with it (StyleGAN2, section 2.2)."""
    torch.manual_seed(0)
    layer = ModulatedConv(32, 24, 3, 8)
    for strength in (0.1, 1.0, 30.0):
        x = layer(torch.randn(4, 32, 40, 40), strength * torch.randn(4, 8))[..., 1:-1, 1:-1]
        deviation = x.detach().std((2, 3))
        assert ((deviation - 1).abs() < 0.15).all()
        assert abs(float(deviation.mean()) - 1) < 0.02


def test_equalised_layers_keep_the_variance() -> None:
    torch.manual_seed(0)
    for rate in (1.0, 0.01):
        y = EqualLinear(256, 256, rate=rate)(torch.randn(200, 256))
        assert abs(float(y.detach().std()) - 1) < 0.1
    y = EqualConv(64, 64, 3)(torch.randn(2, 64, 20, 20))[..., 1:-1, 1:-1]
    assert abs(float(y.detach().std()) - 1) < 0.1
    for size in (1, 3):
        assert EqualConv(2, 3, size, down=True)(torch.randn(1, 2, 6, 10)).shape == (1, 3, 3, 5)


def test_generator_has_the_sizes_it_says() -> None:
    torch.manual_seed(0)
    generator = Generator((2, 4), [6, 5, 4, 3], 8, 2)
    assert generator.layers == 8
    assert generator.size == (16, 32)
    noise = generator.random_noise(2)
    assert [tuple(n.shape[2:]) for n in noise] == [
        (2, 4), (4, 8), (4, 8), (8, 16), (8, 16), (16, 32), (16, 32)
    ]  # fmt: skip
    codes = torch.randn(2, 8, 8, requires_grad=True)
    picture = generator(codes, noise)
    assert picture.shape == (2, 3, 16, 32)
    picture.square().sum().backward()
    assert codes.grad is not None
    # Every code changes the picture, and each picture only by its own.
    assert (codes.grad.abs().sum(2) > 0).all()
    other = codes.detach().clone()
    other[1] += 1
    torch.testing.assert_close(generator(other, noise)[0], picture[0])


def test_noise_enters_where_its_strength_says() -> None:
    torch.manual_seed(0)
    generator = Generator((2, 4), [6, 5], 8, 1)
    codes, noise = torch.randn(1, 4, 8), generator.random_noise(1)
    torch.testing.assert_close(generator(codes, noise), generator(codes, generator.no_noise(1)))
    with torch.no_grad():
        generator.convs[1].noise_strength.fill_(1.0)
    without = generator.no_noise(1)
    assert not torch.equal(generator(codes, noise), generator(codes, without))
    only = [without[0], noise[1], without[2]]
    torch.testing.assert_close(generator(codes, noise), generator(codes, only))


def test_deviation_map_equals_loops() -> None:
    torch.manual_seed(0)
    features = torch.randn(8, 3, 2, 2)
    found = deviation_map(features)
    for n in range(8):
        members = [features[m].double().numpy() for m in range(8) if m % 2 == n % 2]
        deviation = np.sqrt(np.var(np.stack(members), 0) + 1e-8).mean()
        np.testing.assert_allclose(found[n], deviation, rtol=1e-5)
    same = features[:1].expand(4, -1, -1, -1)
    assert float(deviation_map(same).max()) < 2e-4


def test_gradient_penalty_equals_finite_differences() -> None:
    torch.manual_seed(0)
    network = Discriminator((2, 2), [4, 3]).double()
    images = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    found = float(r1_penalty(network(images), images).detach())
    step, total = 1e-6, 0.0
    with torch.no_grad():
        for index in range(images.numel()):
            moved = torch.zeros(images.numel(), dtype=torch.float64)
            moved[index] = step
            up, down = (network(images + sign * moved.view_as(images)).sum() for sign in (1, -1))
            total += float((up - down) / (2 * step)) ** 2
    assert found == pytest.approx(total / 2, rel=1e-5)


def test_the_penaltys_own_gradient_equals_finite_differences() -> None:
    torch.manual_seed(1)
    network = Discriminator((2, 2), [3, 2]).double()
    images = torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = network.out.weight
    r1_penalty(network(images), images).backward()
    assert weight.grad is not None
    found = weight.grad.clone()
    for index in range(weight.numel()):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[0, index] += sign * 1e-5
            values.append(float(r1_penalty(network(images), images).detach()))
            with torch.no_grad():
                weight[0, index] -= sign * 1e-5
        assert float(found[0, index]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4)


def test_path_lengths_of_a_linear_map() -> None:
    """For pictures A w the length is |A^T y| / sqrt(h w), here by hand."""
    torch.manual_seed(0)
    matrix, codes = torch.randn(12, 5), torch.randn(3, 1, 5, requires_grad=True)
    pictures = (codes[:, 0] @ matrix.T).view(3, 3, 2, 2)
    directions = torch.randn(3, 3, 2, 2)
    found = path_lengths(pictures, codes, directions)
    for n in range(3):
        wanted = (matrix.T @ directions[n].flatten()).norm() / 2
        assert float(found[n].detach()) == pytest.approx(float(wanted), rel=1e-5)


def test_masked_noise_is_nothing_of_the_maps() -> None:
    torch.manual_seed(0)
    mask = patch_mask(3, (8, 16), 4, 0.25, torch.device('cpu'))
    assert mask.shape == (3, 1, 8, 16)
    assert mask.mean((1, 2, 3)).tolist() == [0.25] * 3
    blocks = mask.view(3, 2, 4, 4, 4).permute(0, 1, 3, 2, 4).reshape(3, 8, 16)
    assert ((blocks == blocks[..., :1]).all()).item()
    assert not torch.equal(mask[0], mask[1]) or not torch.equal(mask[0], mask[2])
    maps = [torch.randn(3, 1, 8, 16) + 9, torch.randn(3, 1, 16, 32) + 9]
    found = mask_noise(maps, mask, [torch.zeros_like(m) for m in maps])
    large = mask.repeat_interleave(2, 2).repeat_interleave(2, 3)
    for values, own, where in zip(found, maps, (mask, large), strict=True):
        assert (values[where == 1] == 0).all()
        assert torch.equal(values[where == 0], own[where == 0])
    assert patch_mask(1, (5, 6), 4, 1.0, torch.device('cpu')).shape == (1, 1, 5, 6)
    assert patch_mask(1, (5, 6), 4, 0.0, torch.device('cpu')).sum() == 0


def test_masked_error_and_divergence() -> None:
    first, second = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    first[..., 0, 0], first[..., 1, 1] = 3.0, 100.0
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 1, 1] = 1
    assert float(masked_error(first, second, mask)) == pytest.approx(9 / 3)
    assert float(masked_error(first, second, mask, power=1)) == pytest.approx(1.0)
    assert float(masked_error(first, second, torch.ones_like(mask))) == 0
    maps = torch.tensor([[[[1.0, 3.0]]]])  # mean 2, variance 1
    assert float(noise_divergence(maps)) == pytest.approx(2.0)
    torch.manual_seed(0)
    assert float(noise_divergence(torch.randn(2, 1, 64, 64))) < 0.01
