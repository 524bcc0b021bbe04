# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole photographs among the scenes, nothing pasted (Chan et al. 2021, MaxEnt)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.proxies.base import Box, Mixed, Proxy
from anomaly_seg_training.proxies.mixer import MIXERS, MixerConfig, ProxyMixer
from anomaly_seg_training.recipe_file import require

IGNORED = 'ignore'
UNKNOWN = 'ood'
_TRIES = 8


@dataclass(frozen=True)
class MaxEntConfig(MixerConfig):
    """How photographs take the place of scenes.

    Args:
        probability: Share of the pictures that a photograph replaces; the paper takes 297
            photographs with 2975 frames: 0.09.
        unannotated: What a photograph's pixels without an object are: ``ignore``, or ``ood``.
            (The published program has them learnt as road, by accident.)
    """

    probability: float = 0.09
    unannotated: str = IGNORED

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        good = self.unannotated in (IGNORED, UNKNOWN)
        require(good, 'unannotated', self.unannotated, f'{IGNORED} or {UNKNOWN}')


@MIXERS.register('maxent')
class MaxEnt(ProxyMixer[MaxEntConfig]):
    """Replace the scene by a random crop of a photograph."""

    config_type = MaxEntConfig
    reads = 'photographs'

    def mix(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> Mixed:
        """Cut a crop of the scene's size that holds unknown pixels; small photographs grow."""
        proxy = self.draw(rng)
        height, width = labels.shape
        rows, columns = proxy.mask.shape
        factor = max(height / rows, width / columns, 1.0)
        # The crop is cut at the photograph's own size, then enlarged.
        cut = (
            min(rows, max(1, round(height / factor))),
            min(columns, max(1, round(width / factor))),
        )
        for _ in range(_TRIES):
            top, left = (int(rng.integers(full - part + 1)) for full, part in
                         zip((rows, columns), cut, strict=True))  # fmt: skip
            box = (slice(top, top + cut[0]), slice(left, left + cut[1]))
            if proxy.mask[box].any():
                break
        flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
        picture, mask = proxy.image[box][:, flip], proxy.mask[box][:, flip]
        if cut != (height, width):
            picture = cv2.resize(picture, (width, height)).astype(np.uint8, copy=False)
            mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST).astype(
                np.uint8, copy=False
            )
        if self.aligner is not None:
            whole = Proxy(np.ascontiguousarray(picture), np.ones_like(mask), proxy.name)
            picture = self.aligner.align(whole, image, Box(0, 0, height, width), rng).image
        ood = mask > 0 if self.config.unannotated == IGNORED else np.ones(mask.shape, bool)
        return Mixed(np.ascontiguousarray(picture), np.full_like(labels, IGNORE), ood)
