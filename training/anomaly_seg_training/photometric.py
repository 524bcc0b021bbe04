# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Changes of light, colour and sharpness that leave every pixel in its place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def distort(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change an (H, W, 3) RGB image as another camera, weather or exposure would.

    Gamma, contrast, brightness and white balance by one table per channel; haze; saturation and
    hue; blur or sharpening; sensor noise; JPEG artefacts: each with its own probability.
    """
    if rng.random() < 0.7:
        image = _tones(image, rng)
    if rng.random() < 0.12:
        image = _haze(image, rng)
    if rng.random() < 0.4:
        image = _saturation(image, rng)
    draw = rng.random()
    if draw < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)).astype(np.uint8)
    elif draw < 0.22:
        soft = cv2.GaussianBlur(image, (0, 0), 1.0)
        image = cv2.addWeighted(image, 1.8, soft, -0.8, 0).astype(np.uint8)
    if rng.random() < 0.2:
        image = _noise(image, rng)
    if rng.random() < 0.1:
        quality = int(rng.integers(30, 85))
        data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        image = image if decoded is None else decoded.astype(np.uint8)
    return image


def _tones(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    # About the image's own mean: contrast about mid-grey would turn dark streets black.
    mean = float(image[::8, ::8].mean()) / 255
    gamma = np.exp(rng.uniform(-0.35, 0.35))
    ramp = np.linspace(0, 1, 256)[:, None] ** gamma
    middle = mean**gamma
    contrast = np.exp(rng.uniform(-0.3, 0.3))
    balance = np.exp(rng.normal(0, 0.06, 3))
    level = middle * np.exp(rng.uniform(-0.4, 0.4))
    table = ((ramp - middle) * contrast + level) * balance
    table = np.clip(table * 255 + 0.5, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None]).astype(np.uint8, copy=False)


def _haze(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Veil the image with light grey, differently at the top and at the bottom."""
    light = rng.uniform(140, 245) * np.exp(rng.normal(0, 0.04, 3))
    top, bottom = rng.uniform(0.1, 0.6, 2)
    veil = np.linspace(top, bottom, image.shape[0])[:, None, None]
    mixed = image * (1 - veil) + light * veil
    result: NDArray[np.uint8] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
    return result


def _saturation(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scale colours about grey and turn them a little, in one linear map of RGB."""
    grey = np.full((3, 3), 1 / 3)
    angle = rng.uniform(-0.15, 0.15)
    third, root = 1 / 3, np.sqrt(1 / 3)
    c, s = np.cos(angle), np.sin(angle)
    a, b, d = c + (1 - c) * third, third * (1 - c) - root * s, third * (1 - c) + root * s
    turn = np.array(((a, b, d), (d, a, b), (b, d, a)))
    amount = np.exp(rng.uniform(-0.6, 0.5)) if rng.random() < 0.9 else 0.0
    matrix = grey + amount * (turn - grey)
    return cv2.transform(image, matrix).astype(np.uint8, copy=False)


def _noise(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    noise = np.empty(image.shape, np.int16)
    cv2.setRNGSeed(int(rng.integers(2**31 - 1)))
    cv2.randn(noise, np.zeros(3), np.full(3, rng.uniform(2, 12)))
    return cv2.add(image, noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False)
