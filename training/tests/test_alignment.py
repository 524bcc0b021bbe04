# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Style aligners: what each gives a proxy of the scene, against slow references and laws."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_seg_training.alignment import ALIGNERS, StyleAligner, create_aligner
from anomaly_seg_training.alignment.base import part_at
from anomaly_seg_training.alignment.camera import compressed, noise_of
from anomaly_seg_training.alignment.fourier import exchange_amplitudes
from anomaly_seg_training.alignment.histogram import matching_table
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.proxies import Box, Proxy, ProxyError

PLAIN = [name for name in ALIGNERS.names() if name not in ('adain', 'issa')]
"""Aligners that need no weights."""


def picture(
    seed: int, height: int, width: int, mean: float = 128, spread: float = 40
) -> np.ndarray:
    """A smooth picture of three independent channels."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.standard_normal((height, width, 3)), (0, 0), 2)
    noise = (noise - noise.mean((0, 1))) / (noise.std((0, 1)) + 1e-9)
    return np.clip(mean + spread * noise, 0, 255).astype(np.uint8)


def proxy_of(seed: int, height: int, width: int, **changes: Any) -> Proxy:
    """An ellipse on some background."""
    mask = np.zeros((height, width), np.uint8)
    axes = (max(width // 2 - 1, 1), max(height // 2 - 1, 1))
    cv2.ellipse(mask, (width // 2, height // 2), axes, 0, 0, 360, 1, -1)
    return Proxy(picture(seed, height, width, **changes), mask, 'name', 'category')


@pytest.mark.parametrize('name', PLAIN)
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    top=st.integers(-80, 80),
    left=st.integers(-80, 120),
)
def test_laws_of_all_aligners(
    name: str, seed: int, height: int, width: int, top: int, left: int
) -> None:
    proxy, scene = proxy_of(seed, height, width), picture(seed + 1, 60, 90, 60, 20)
    before = proxy.image.copy(), proxy.mask.copy(), scene.copy()
    aligner, box = create_aligner(name), Box(top, left, height, width)
    aligned = aligner.align(proxy, scene, box, np.random.default_rng(seed))
    assert aligned.image.shape == proxy.image.shape
    assert aligned.image.dtype == np.uint8
    np.testing.assert_array_equal(aligned.mask, before[1])
    assert (aligned.name, aligned.category) == ('name', 'category')
    np.testing.assert_array_equal(proxy.image, before[0])
    np.testing.assert_array_equal(scene, before[2])
    again = aligner.align(proxy, scene, box, np.random.default_rng(seed))
    np.testing.assert_array_equal(aligned.image, again.image)
    none = create_aligner(name, {'strength': 0.0})
    np.testing.assert_array_equal(none.align(proxy, scene, box, np.random.default_rng(0)).image,
                                  proxy.image)  # fmt: skip


@pytest.mark.parametrize('name', [n for n in PLAIN if n not in ('none', 'several')])
def test_every_aligner_goes_towards_the_scene(name: str) -> None:
    proxy, scene = proxy_of(0, 60, 80, mean=180), picture(1, 200, 300, 60, 15)
    inside = proxy.mask > 0
    whole = create_aligner(name).align(proxy, scene, Box(50, 80, 60, 80), np.random.default_rng(0))
    far = abs(float(proxy.image[inside].mean()) - scene.mean())
    near = abs(float(whole.image[inside].mean()) - scene.mean())
    assert near < 0.6 * far
    half = create_aligner(name, {'strength': 0.5}).align(
        proxy, scene, Box(50, 80, 60, 80), np.random.default_rng(0)
    )
    middle = (proxy.image.astype(float) + whole.image) / 2
    np.testing.assert_allclose(half.image, middle, atol=1)


def test_none_changes_nothing() -> None:
    proxy = proxy_of(0, 20, 30)
    aligned = create_aligner('none').align(
        proxy, picture(1, 50, 50), Box(0, 0, 20, 30), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(aligned.image, proxy.image)


def test_several_aligners_take_turns() -> None:
    proxy, scene, box = proxy_of(0, 20, 30), picture(1, 50, 60), Box(5, 5, 20, 30)
    aligner = create_aligner('several', {'aligners': ['none', 'lab', 'histogram']})
    own = {
        name: create_aligner(name).align(proxy, scene, box, np.random.default_rng(0)).image
        for name in ('none', 'lab', 'histogram')
    }
    rng = np.random.default_rng(0)
    drawn = [aligner.align(proxy, scene, box, rng).image for _ in range(60)]
    counts = {n: sum(np.array_equal(one, image) for one in drawn) for n, image in own.items()}
    assert sum(counts.values()) == 60
    assert min(counts.values()) > 8


def slow_fourier(image: np.ndarray, style: np.ndarray, beta: float) -> np.ndarray:
    """FDA as its paper writes it: the whole spectrum, its middle square by loops."""
    height, width = image.shape[:2]
    half = int(min(height, width) * beta)
    result = np.empty(image.shape)
    for channel in range(3):
        own, other = (np.fft.fft2(i[..., channel].astype(float)) for i in (image, style))
        amplitude, phase = np.abs(own), np.angle(own)
        for row in range(-half, half + 1):
            for column in range(-half, half + 1):
                amplitude[row, column] = np.abs(other[row, column])
        result[..., channel] = np.fft.ifft2(amplitude * np.exp(1j * phase)).real
    return np.clip(np.round(result), 0, 255)


@pytest.mark.parametrize('shape', [(17, 24), (32, 32), (40, 21), (1, 9), (5, 1), (2, 2)])
@pytest.mark.parametrize('beta', [0.001, 0.05, 0.2, 0.5])
def test_fourier_equals_loops_over_the_spectrum(shape: tuple[int, int], beta: float) -> None:
    rng = np.random.default_rng(0)
    image, style = rng.integers(0, 256, (2, *shape, 3), np.uint8)
    result = exchange_amplitudes(image, style, beta)
    np.testing.assert_allclose(result, slow_fourier(image, style, beta), atol=1)


def test_fourier_laws() -> None:
    image, style = picture(0, 40, 50, 120, 15), picture(1, 40, 50, 90, 15)
    np.testing.assert_array_equal(exchange_amplitudes(image, style, 0.0), image)
    np.testing.assert_allclose(exchange_amplitudes(image, image, 0.3), image, atol=1)
    # The constant is always among what is exchanged.
    mean = exchange_amplitudes(image, style, 0.01).mean((0, 1))
    np.testing.assert_allclose(mean, style.mean((0, 1)), atol=1)
    black = np.zeros_like(image)
    np.testing.assert_allclose(exchange_amplitudes(black, style, 0.01).mean((0, 1)),
                               style.mean((0, 1)), atol=1)  # fmt: skip


def test_fourier_looks_at_the_place() -> None:
    scene = np.full((100, 200, 3), 30, np.uint8)
    scene[:, 100:] = 200
    proxy = Proxy(picture(0, 40, 40, spread=8), np.ones((40, 40), np.uint8))
    for left, expected in ((20, 30), (140, 200), (190, 200), (-30, 30)):
        aligned = create_aligner('fourier').align(
            proxy, scene, Box(30, left, 40, 40), np.random.default_rng(0)
        )
        assert aligned.image.mean() == pytest.approx(expected, abs=4)


def lab_moments(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lab = cv2.cvtColor(pixels.reshape(-1, 1, 3).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return lab.mean((0, 1)), lab.std((0, 1))


@pytest.mark.parametrize('region', ['scene', 'around'])
def test_lab_gives_the_scenes_moments(region: str) -> None:
    grey = picture(1, 160, 240, 110, 12)
    proxy, scene = proxy_of(0, 60, 60, mean=140, spread=15), grey
    scene[:, 120:] = np.clip(scene[:, 120:] + np.array((30, 0, -30)), 0, 255)
    box = Box(40, 150, 60, 60)
    aligner = create_aligner('lab', {'region': region, 'max_gain': 50.0})
    aligned = aligner.align(proxy, scene, box, np.random.default_rng(0))
    seen = scene if region == 'scene' else scene[10:130, 120:240]
    mean, std = lab_moments(aligned.image[proxy.mask > 0])
    wanted_mean, wanted_std = lab_moments(seen)
    np.testing.assert_allclose(mean, wanted_mean, atol=0.8)
    np.testing.assert_allclose(std, wanted_std, atol=0.8)


def test_lab_does_not_stretch_flat_objects() -> None:
    flat, scene = proxy_of(0, 40, 40, spread=1.5), picture(1, 100, 100, spread=50)
    deviations = []
    for gain in (1.0, 3.0):
        aligned = create_aligner('lab', {'max_gain': gain}).align(
            flat, scene, Box(0, 0, 40, 40), np.random.default_rng(0)
        )
        deviations.append(lab_moments(aligned.image[flat.mask > 0])[1][0])
    own = lab_moments(flat.image[flat.mask > 0])[1][0]
    assert deviations[0] == pytest.approx(own, rel=0.25)
    assert deviations[1] == pytest.approx(3 * own, rel=0.25)


VALUES = arrays(np.uint8, st.integers(1, 200), elements=st.integers(0, 255))


@settings(max_examples=100, deadline=None)
@given(values=VALUES, target=VALUES)
def test_histogram_tables_rise_and_stay_in_the_targets_range(
    values: np.ndarray, target: np.ndarray
) -> None:
    table = matching_table(values, target)
    assert (table.shape, table.dtype) == ((256,), np.uint8)
    assert (np.diff(table.astype(int)) >= 0).all()
    assert target.min() <= table.min()
    assert table.max() <= target.max()
    same = matching_table(values, values)
    there = np.unique(values)
    np.testing.assert_array_equal(same[there], there)


def test_histogram_equals_sorting() -> None:
    """Where ranks are unique, the n-th smallest value becomes the n-th smallest of the target."""
    rng = np.random.default_rng(0)
    values, target = (rng.choice(256, 100, replace=False).astype(np.uint8) for _ in range(2))
    table = matching_table(values, target)
    np.testing.assert_array_equal(table[np.sort(values)], np.sort(target))


def test_histogram_gives_the_scenes_distribution() -> None:
    proxy, scene = proxy_of(0, 80, 80), picture(1, 120, 160, 90, 25)
    aligned = create_aligner('histogram').align(
        proxy, scene, Box(0, 0, 80, 80), np.random.default_rng(0)
    )
    shares = np.linspace(0.05, 0.95, 10)
    for channel in range(3):
        np.testing.assert_allclose(
            np.quantile(aligned.image[..., channel][proxy.mask > 0], shares),
            np.quantile(scene[..., channel], shares), atol=3,
        )  # fmt: skip


OFF: dict[str, Any] = {
    'light': 0.0, 'balance': 0.0, 'blur': [0.0, 0.0], 'noise': 0.0, 'jpeg': [100, 100]
}  # fmt: skip


def camera(proxy: Proxy, scene: np.ndarray, seed: int = 0, **options: Any) -> np.ndarray:
    aligner = create_aligner('camera', OFF | options)
    box = Box(20, 20, *proxy.mask.shape)
    return aligner.align(proxy, scene, box, np.random.default_rng(seed)).image


def test_camera_parts_can_be_switched_off() -> None:
    proxy, scene = proxy_of(0, 60, 60), picture(1, 120, 120, 60)
    np.testing.assert_array_equal(camera(proxy, scene), proxy.image)


def test_camera_light_reaches_the_places_brightness() -> None:
    proxy, scene = proxy_of(0, 60, 60, spread=10), np.full((120, 120, 3), 60, np.uint8)
    own = proxy.image[proxy.mask > 0].mean()
    for light in (0.0, 0.5, 1.0):
        mean = camera(proxy, scene, light=light)[proxy.mask > 0].mean()
        assert mean == pytest.approx(own * (68 / (own + 8)) ** light, abs=1)


def test_camera_gives_the_scenes_cast() -> None:
    grey = Proxy(np.full((60, 60, 3), 100, np.uint8), np.ones((60, 60), np.uint8))
    scene = np.full((120, 120, 3), (72, 112, 92), np.uint8)
    np.testing.assert_allclose(camera(grey, scene, balance=1.0)[0, 0], (80, 120, 100), atol=1)
    half = np.sqrt((0.8, 1.2, 1.0)) * 100
    np.testing.assert_allclose(camera(grey, scene, balance=0.5)[0, 0], half, atol=1)


def test_camera_blur_takes_detail_away() -> None:
    rng = np.random.default_rng(0)
    proxy = Proxy(rng.integers(0, 256, (60, 60, 3), np.uint8), np.ones((60, 60), np.uint8))
    flat = np.full((120, 120, 3), 60, np.uint8)
    spreads = [camera(proxy, flat, blur=[s, s]).std() for s in (0.0, 0.5, 1.0, 2.0)]
    assert all(a > 1.2 * b for a, b in itertools.pairwise(spreads))


@pytest.mark.parametrize('sigma', [0.0, 3.0, 8.0])
def test_noise_is_estimated_and_given(sigma: float) -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(picture(1, 300, 300, 120, 20), (0, 0), 3)
    scene = np.clip(np.round(smooth + sigma * rng.standard_normal(smooth.shape)), 0, 255)
    scene = scene.astype(np.uint8)
    assert noise_of(scene) == pytest.approx(sigma, abs=0.15 * sigma + 0.35)
    flat = Proxy(np.full((90, 90, 3), 128, np.uint8), np.ones((90, 90), np.uint8))
    result = camera(flat, scene, noise=1.0)
    assert result.std() == pytest.approx(sigma, abs=0.2 * sigma + 0.35)
    noisy = Proxy(scene[:90, :90].copy(), flat.mask)
    # What has the scene's noise already gets no more of it.
    added = camera(noisy, scene, noise=1.0).astype(float) - noisy.image
    assert added.std() < 0.5 * sigma + 0.1


def test_camera_compresses() -> None:
    image = np.repeat(picture(0, 64, 64)[..., :1], 3, 2)
    assert abs(compressed(image, 95).astype(int) - image).mean() < 2
    errors = [abs(compressed(image, q).astype(int) - image).mean() for q in (95, 50, 10)]
    assert errors == sorted(errors)
    proxy = Proxy(image, np.ones((64, 64), np.uint8))
    result = camera(proxy, np.zeros((120, 120, 3), np.uint8), jpeg=[30, 30])
    np.testing.assert_array_equal(result, compressed(image, 30))


def test_camera_draws() -> None:
    proxy, scene = proxy_of(0, 60, 60), picture(1, 120, 120, 60)
    results = [camera(proxy, scene, seed, blur=[0.3, 2.0]) for seed in range(3)]
    assert (results[0] != results[1]).any()
    assert (results[1] != results[2]).any()


def test_parts_lie_in_the_scene() -> None:
    scene = np.arange(100 * 80, dtype=np.int64).reshape(100, 80) % 251
    scene = np.repeat(scene[..., None], 3, 2).astype(np.uint8)
    np.testing.assert_array_equal(part_at(scene, Box(10, 20, 40, 50)), scene[10:50, 20:70])
    np.testing.assert_array_equal(part_at(scene, Box(-9, 60, 40, 50)), scene[:40, 30:])
    np.testing.assert_array_equal(part_at(scene, Box(40, 40, 10, 10)), scene[29:61, 29:61])
    np.testing.assert_array_equal(part_at(scene, Box(30, 30, 40, 40), 2.0), scene[10:90, 0:80])
    assert part_at(scene, Box(0, 0, 500, 500)).shape == (100, 80, 3)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('fourier', {'beta': 0.7}, '0 to 0.5'),
        ('lab', {'region': 'sky'}, 'scene or around'),
        ('lab', {'max_gain': 0.5}, 'at least 1'),
        ('camera', {'jpeg': [0, 50]}, 'from 1 to 100'),
        ('camera', {'blur': [2.0, 1.0]}, 'the lower first'),
        ('histogram', {'strength': 1.5}, '0 to 1'),
        ('none', {'beta': 0.1}, "unknown recipe key 'beta'"),
        ('several', {'aligners': ['several']}, "recipe key 'aligners'"),
        ('several', {'aligners': []}, "recipe key 'aligners'"),
        ('several', {'aligners': ['lab', 'adain']}, "recipe key 'aligners'"),
    ],
)
def test_says_which_option_is_wrong(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        create_aligner(name, options)


def test_aligners_by_name() -> None:
    with pytest.raises(KeyError, match='choose one of: .*fourier'):
        create_aligner('fda')
    lab, fourier = (ALIGNERS.get(name) for name in ('lab', 'fourier'))
    assert issubclass(lab, StyleAligner)
    with pytest.raises(ProxyError, match='expected LabConfig'):
        lab(fourier.config_type())
