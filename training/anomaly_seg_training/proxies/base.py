# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in for the unknown, and what puts it into street scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.errors import LabError


class ProxyError(LabError):
    """Proxies, a mixer or an aligner cannot be used as they were asked for."""


@dataclass(frozen=True)
class Proxy:
    """A stand-in for the unknown: an object cut out of a photograph, or a whole photograph.

    Args:
        image: (h, w, 3) uint8, RGB. Pixels outside the mask are the photograph's background.
        mask: (h, w) uint8, 1 on the object, 0 elsewhere.
        name: Unique within its data set: photograph and object.
        category: What it shows, in the words of its data set.
        label: The class that it belongs to, where the segmenter knows it: pasted among the unknown
            it shows that being pasted is not what makes things unknown. 255 for none.

    Raises:
        ValueError: Image and mask differ in size or have another type.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    name: str = ''
    category: str = ''
    label: int = IGNORE

    def __post_init__(self) -> None:
        """Refuse arrays of other forms."""
        good = self.image.ndim == 3 and self.image.shape == (*self.mask.shape, 3)
        if not good or self.image.dtype != np.uint8 or self.mask.dtype != np.uint8:
            msg = (
                f'received an image {self.image.shape} {self.image.dtype} and a mask '
                f'{self.mask.shape} {self.mask.dtype}, expected (h, w, 3) and (h, w) uint8'
            )
            raise ValueError(msg)


class Box(NamedTuple):
    """Where a proxy goes in a scene, in pixels; it may reach over the scene's border."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Mixed:
    """A training picture that may hold unknown pixels.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8, 255 = ignore, also wherever an unknown proxy lies, or any shines
            through.
        ood: (H, W) bool, True on the pixels of unknown proxies.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    ood: NDArray[np.bool_]


class Mixer(Protocol):
    """Puts proxies into a scene."""

    def __call__(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> Mixed:
        """Return a picture of the same size; the arrays that come in are left as they are.

        Args:
            image: (H, W, 3) uint8, RGB.
            labels: (H, W) uint8, 255 = ignore; all 255 where a scene has no labels.
            rng: Source of all draws: equal states give equal pictures.
        """
        ...


class Aligner(Protocol):
    """Gives a proxy the style of the scene that it is to be put into."""

    def align(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> Proxy:
        """Return the proxy with another image of the same size, its mask unchanged.

        Args:
            proxy: Already of the size of `box`; around its mask the object's own colours are
                carried on, as `paste.scaled` leaves it.
            scene: (H, W, 3) uint8, RGB, before the proxy is put into it.
            box: Where it goes; perhaps partly outside the scene.
            rng: Source of all draws.
        """
        ...
