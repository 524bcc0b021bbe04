# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all style aligners share, and how one is made from names and options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.registry import Registry
from anomaly_seg_training.proxies.base import Box, Proxy, ProxyError
from anomaly_seg_training.recipe_file import Recipe, require

SCENE = 'scene'
AROUND = 'around'
LEAST_SIDE = 32
"""Pixels of a scene that tell its style; smaller proxies look at more of it than they cover."""


@dataclass(frozen=True)
class AlignerConfig(Recipe):
    """What every aligner can be told.

    Args:
        strength: 0 leaves a proxy as it is, 1 gives it all of the new style; between, the two
            pictures are mixed.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.require_share('strength')


@dataclass(frozen=True)
class RegionConfig(AlignerConfig):
    """Of aligners that may look at the whole scene or at the place where a proxy goes.

    Args:
        strength: As for all aligners.
        region: Whose style a proxy takes on: ``scene``, the whole of it, or ``around``, the
            proxy's surroundings, twice as large as the proxy.
    """

    region: str = SCENE

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        require(self.region in (SCENE, AROUND), 'region', self.region, f'{SCENE} or {AROUND}')


class StyleAligner(ABC):
    """An `Aligner` of this registry.

    Args:
        config: Of the type `config_type`; None for its defaults.

    Raises:
        ProxyError: The configuration is another aligner's.
    """

    config_type: ClassVar[type[AlignerConfig]]

    def __init__(self, config: AlignerConfig | None = None) -> None:
        if config is not None and not isinstance(config, self.config_type):
            msg = f'received a {type(config).__name__}, expected {self.config_type.__name__}'
            raise ProxyError(msg)
        self.strength = (config or self.config_type()).strength

    def align(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> Proxy:
        """Return the proxy in the scene's style; arguments as for `proxies.Aligner`."""
        if self.strength == 0 or not proxy.mask.any():
            return proxy
        image = self.restyle(proxy, scene, box, rng)
        if self.strength < 1:
            image = cv2.addWeighted(
                image, self.strength, proxy.image, 1 - self.strength, 0
            ).astype(np.uint8, copy=False)
        return replace(proxy, image=image)

    @abstractmethod
    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return the proxy's image, (h, w, 3) uint8, in the whole of the new style."""


ALIGNERS: Registry[type[StyleAligner]] = Registry('style aligner')
TRAINED = ('adain', 'issa')
"""Aligners that need weights."""


def create_aligner(name: str, options: Mapping[str, Any] | None = None) -> StyleAligner:
    """Return an aligner by its name.

    Args:
        name: One of `ALIGNERS`.
        options: Keys and values of its configuration.

    Raises:
        KeyError: There is no such aligner.
        RecipeError: An option is unknown or cannot be used.
        LabError: The weights that it needs cannot be read.
    """
    aligner = ALIGNERS.get(name)
    return aligner(aligner.config_type.from_dict(options or {}))


def part_at(
    scene: NDArray[np.uint8], box: Box, factor: float = 1.0, least: int = LEAST_SIDE
) -> NDArray[np.uint8]:
    """Return the part of a scene at a box, moved inside where the box reaches out.

    Args:
        scene: (H, W, 3) uint8.
        box: The place.
        factor: Size of the part over that of the box, about the same middle.
        least: Sides of the part are at least so long, the scene permitting.

    Returns:
        (h, w, 3) uint8, a view; smaller than asked for where the scene is.
    """
    slices = []
    for start, length, full in zip((box.top, box.left), (box.height, box.width), scene.shape[:2],
                                   strict=True):  # fmt: skip
        side = min(full, max(least, round(length * factor)))
        first = min(max(round(start + (length - side) / 2), 0), full - side)
        slices.append(slice(first, first + side))
    return scene[slices[0], slices[1]]


def region_of(scene: NDArray[np.uint8], box: Box, region: str) -> NDArray[np.uint8]:
    """Return the whole scene or the surroundings of a box, as `RegionConfig` tells."""
    return scene if region == SCENE else part_at(scene, box, 2.0)
