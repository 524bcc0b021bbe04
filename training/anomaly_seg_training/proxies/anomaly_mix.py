# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AnomalyMix: objects cut out of photographs and pasted into scenes (Tian et al. 2022, PEBAL)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_training.photometric import distort
from anomaly_seg_training.proxies.base import Aligner, Mixed, Proxy, ProxyError
from anomaly_seg_training.proxies.mixer import MIXERS, MixerConfig, ProxyMixer
from anomaly_seg_training.proxies.paste import Canvas, scaled
from anomaly_seg_training.recipe_file import require

_MOVED = 253
"""Stands for the labels of a moved piece while it is put into the scene."""


@dataclass(frozen=True)
class AnomalyMixConfig(MixerConfig):
    """How objects are pasted.

    Args:
        probability: Share of the pictures that get objects; the style-aligned paper takes 0.1.
        objects: Fewest and most objects of a picture.
        scale: Smallest and largest longer side of an object, in shares of the picture's height;
            drawn log-uniformly, so that each octave is as frequent as the others.
        on_road: Share of the objects that stand on a pixel of the `ground` classes, where there
            is one; the others lie anywhere, with their middle in the picture.
        ground: Labels on which objects may stand.
        soft: Sigma of an object's edge in pixels; 0 for a hard one.
        flip: Share of the objects that are mirrored.
        known: Share of all pictures that get objects of known classes too, anywhere and behind the
            unknown ones; more than 0 needs such proxies.
        moved: Share of all pictures in which pieces of the scene, with the outlines of proxies,
            are moved sidewards with their labels, behind all else: being pasted, in another light
            and with a soft edge, then marks the known as well as the unknown.
    """

    objects: list[int] = field(default_factory=lambda: [1, 3])
    scale: list[float] = field(default_factory=lambda: [0.05, 0.6])
    on_road: float = 0.5
    ground: list[int] = field(default_factory=lambda: list(CITYSCAPES.drivable))
    soft: float = 0.7
    flip: float = 0.5
    known: float = 0.0
    moved: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        self.require_share('on_road', 'flip', 'known', 'moved')
        self.require_scales('scale')
        require(0 <= self.soft <= 2, 'soft', self.soft, '0 to 2')
        good = len(self.objects) == 2 and 1 <= self.objects[0] <= self.objects[1]
        require(good, 'objects', self.objects, 'two numbers of at least 1, the lower first')


@MIXERS.register('anomaly_mix')
class AnomalyMix(ProxyMixer[AnomalyMixConfig]):
    """Paste objects."""

    config_type = AnomalyMixConfig

    def __init__(
        self,
        proxies: Sequence[Proxy],
        config: AnomalyMixConfig | None = None,
        aligner: Aligner | None = None,
        known: Sequence[Proxy] = (),
    ) -> None:
        super().__init__(proxies, config, aligner, known)
        if self.config.known and not known:
            msg = f'known is {self.config.known}, expected objects of known classes with it'
            raise ProxyError(msg)

    def __call__(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> Mixed:
        """Paste the known into some pictures, the unknown into others or these."""
        if self.config.moved and rng.random() < self.config.moved:
            image, labels = self._move(image, labels, rng)
        if self.config.known and rng.random() < self.config.known:
            canvas = Canvas.of(image, labels)
            self._fill(canvas, self.known, np.empty(0, np.intp), rng)
            image, labels = canvas.image, canvas.labels
        return super().__call__(image, labels, rng)

    def mix(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> Mixed:
        """Paste a random number of objects, later ones in front of earlier ones."""
        canvas = Canvas.of(image, labels)
        road = np.flatnonzero(np.isin(labels, self.config.ground))
        self._fill(canvas, self.proxies, road, rng)
        return canvas.mixed()

    def _fill(
        self,
        canvas: Canvas,
        proxies: Sequence[Proxy],
        road: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> None:
        """Paste a random number of proxies."""
        for thing in self._draw(proxies, canvas.labels.shape, rng):
            centre = self._place(thing, canvas.labels.shape, road, rng)
            canvas.put(thing, centre, self.config.soft, self.aligner, rng)

    def _draw(
        self, proxies: Sequence[Proxy], shape: tuple[int, ...], rng: np.random.Generator
    ) -> Iterator[Proxy]:
        """Draw a random number of proxies at their size in the scene."""
        config = self.config
        for _ in range(int(rng.integers(config.objects[0], config.objects[1] + 1))):
            proxy = proxies[int(rng.integers(len(proxies)))]
            low, high = np.log(config.scale[0]), np.log(config.scale[1])
            side = float(np.exp(rng.uniform(low, high))) * shape[0]
            yield scaled(proxy, side / max(proxy.mask.shape), bool(rng.random() < config.flip))

    def _move(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the scene with pieces of its own rows, which hold much the same classes."""
        height, width = labels.shape
        for thing in self._draw(self.proxies, labels.shape, rng):
            row, column = int(rng.integers(height)), int(rng.integers(width))
            rows, columns = thing.mask.shape
            top, left = row - rows // 2, column - columns // 2
            shift = int(rng.integers(width // 8, max(7 * width // 8, width // 8 + 1)))
            source = np.ix_(
                np.clip(np.arange(top, top + rows), 0, height - 1),
                (np.arange(left, left + columns) + shift) % width,
            )
            piece = replace(thing, image=distort(image[source], rng), label=_MOVED)
            canvas = Canvas.of(image, labels)
            canvas.put(piece, (row, column), self.config.soft, self.aligner, rng)
            image, changed = canvas.image, canvas.labels
            here = np.nonzero(changed == _MOVED)
            changed[here] = labels[here[0], (here[1] + shift) % width]
            labels = changed
        return image, labels

    def _place(
        self,
        thing: Proxy,
        shape: tuple[int, ...],
        road: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> tuple[int, int]:
        """Draw the (row, column) of an object's middle."""
        if len(road) and rng.random() < self.config.on_road:
            row, column = divmod(int(road[rng.integers(len(road))]), shape[1])
            foot = int(np.flatnonzero(thing.mask.any(1))[-1])
            return row - foot + thing.mask.shape[0] // 2, column
        return int(rng.integers(shape[0])), int(rng.integers(shape[1]))
