# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scene's light and camera: brightness of the place, colour cast, blur, noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.alignment.base import ALIGNERS, AlignerConfig, StyleAligner, part_at
from anomaly_seg_training.proxies.base import Box, Proxy
from anomaly_seg_training.recipe_file import require

_DARK = 8.0
"""Grey values that keep very dark places from asking for very large gains."""
_NOISE_KERNEL = np.array(((1, -2, 1), (-2, 4, -2), (1, -2, 1)), np.float32)
_MOST_NOISE = 12.0


@dataclass(frozen=True)
class CameraConfig(AlignerConfig):
    """How the camera saw the scene. No figures are published; these were chosen by eye.

    Args:
        strength: As for all aligners.
        light: How far an object's mean brightness goes to that of its surroundings, as an
            exponent of their ratio: 0 not at all, 1 the whole way.
        balance: How much of the scene's colour cast an object takes on, likewise. The cast is
            what the scene's mean colour has more than grey.
        blur: Smallest and largest sigma of the blur in pixels.
        noise: Share of the scene's noise that an object lacks and is given.
        jpeg: Lowest and highest JPEG quality, 1 to 100; 100 and 100 for none.
    """

    light: float = 0.5
    balance: float = 0.5
    blur: list[float] = field(default_factory=lambda: [0.3, 0.9])
    noise: float = 1.0
    jpeg: list[int] = field(default_factory=lambda: [70, 95])

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        self.require_share('light', 'balance')
        self.require_at_least(0, 'noise')
        good = len(self.blur) == 2 and 0 <= self.blur[0] <= self.blur[1]
        require(good, 'blur', self.blur, 'two numbers of at least 0, the lower first')
        good = len(self.jpeg) == 2 and 1 <= self.jpeg[0] <= self.jpeg[1] <= 100
        require(good, 'jpeg', self.jpeg, 'two whole numbers from 1 to 100, the lower first')


@ALIGNERS.register('camera')
class CameraAligner(StyleAligner):
    """Light the object like its place, then see it as the camera saw the scene."""

    config_type = CameraConfig

    def __init__(self, config: AlignerConfig | None = None) -> None:
        super().__init__(config)
        self.config = config if isinstance(config, CameraConfig) else CameraConfig()

    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Apply light, cast, blur, noise and compression, in the order of the light's way."""
        config = self.config
        image = lit(proxy, part_at(scene, box), config.light)
        mean = scene[::4, ::4].mean((0, 1)) + _DARK
        image = image * ((mean / mean.mean()) ** config.balance).astype(np.float32)
        sigma = float(rng.uniform(config.blur[0], config.blur[1]))
        if sigma > 0.05:
            image = cv2.GaussianBlur(image, (0, 0), sigma).astype(np.float32, copy=False)
        missing = noise_of(scene) ** 2 - noise_of(image) ** 2
        if config.noise > 0 and missing > 0:
            amount = min(config.noise * float(np.sqrt(missing)), _MOST_NOISE)
            image = image + amount * rng.standard_normal(image.shape, np.float32)
        result = np.clip(np.round(image), 0, 255).astype(np.uint8)
        quality = int(rng.integers(config.jpeg[0], config.jpeg[1] + 1))
        return result if quality == 100 else compressed(result, quality)


def lit(proxy: Proxy, place: NDArray[np.uint8], light: float) -> NDArray[np.float32]:
    """Return a proxy's image, (h, w, 3) float32, brighter or darker as its place is."""
    mean = float(proxy.image[proxy.mask > 0].mean())
    gain = ((float(place.mean()) + _DARK) / (mean + _DARK)) ** light
    result: NDArray[np.float32] = np.clip(proxy.image.astype(np.float32) * gain, 0, 255)
    return result


def noise_of(image: NDArray[np.uint8] | NDArray[np.float32]) -> float:
    """Estimate an image's noise: standard deviation in grey values.

    Immerkaer's filter (1996) takes away what is smooth; the median of what is left, unlike his
    mean, forgives edges. Images smaller than 3x3 have none.
    """
    if min(image.shape[:2]) < 3:
        return 0.0
    green = np.ascontiguousarray(image[..., 1], np.float32)
    left = np.abs(cv2.filter2D(green, cv2.CV_32F, _NOISE_KERNEL)[1:-1, 1:-1])
    # The kernel's squares add up to 36; 0.6745 is the median of a normal value's size.
    return float(np.median(left[:: max(1, left.shape[0] // 128)])) / (6 * 0.6745)


def compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return an RGB image as JPEG of this quality shows it."""
    data = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1], np.uint8)
