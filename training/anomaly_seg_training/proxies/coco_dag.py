# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO-DAG: crops that hold known and unknown pixels for certain (Mao, Sun and Huang, 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.proxies.base import Mixed, Proxy
from anomaly_seg_training.proxies.mixer import MIXERS, MixerConfig, ProxyMixer
from anomaly_seg_training.proxies.paste import RIM, Canvas, scaled
from anomaly_seg_training.recipe_file import require

QUARTERS = 'quarters'
WINDOW = 'window'
_LARGEST = 0.9
"""Share of a crop's side that an object's half may cover: known pixels are left on two sides."""
_LEAST = 0.1
"""Share of an object that a crop has to show; a quarter of most outlines is about 0.25."""
_TRIES = 20
"""Draws of a place whose crop has a label."""


@dataclass(frozen=True)
class CocoDagConfig(MixerConfig):
    """How a picture is split at a pasted object.

    Args:
        probability: Share of the pictures that get an object; the paper's program takes all.
        split: ``quarters``, as the paper has it: the picture is split at the object's centre into
            four parts, and one of them is taken: the object's centre is a corner of it.
            ``window``, as the authors' program does it: the crop lies anywhere around the
            object's centre, which is somewhere inside.
        scale: Size of an object over its size in its photograph; the paper takes 1 for frames of
            2048x1024. An object whose half would fill the crop is shrunk.
        soft: Sigma of the object's edge in pixels; the paper takes 0.
    """

    probability: float = 1.0
    split: str = QUARTERS
    scale: float = 1.0
    soft: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        self.require_positive('scale')
        good = self.split in (QUARTERS, WINDOW)
        require(good, 'split', self.split, f'{QUARTERS} or {WINDOW}')
        require(0 <= self.soft <= 2, 'soft', self.soft, '0 to 2')


@MIXERS.register('coco_dag')
class CocoDag(ProxyMixer[CocoDagConfig]):
    """Paste one object so that the picture given is what the split at its centre leaves.

    The paper pastes into a whole frame, splits it at the object's centre and trains on crops of
    the parts. A random crop of a frame with the object's centre at one of the crop's corners is
    the same picture: so this mixer takes a crop and puts the object there, each of the four
    corners as often as the others. What of the object lies beyond is cut off.
    """

    config_type = CocoDagConfig

    def mix(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> Mixed:
        """Put an object with its centre at a corner of the picture, or anywhere in it."""
        proxy = self.draw(rng)
        height, width = labels.shape
        # The rim around a scaled object counts as much of it as the object does.
        fits = min(
            (2 * _LARGEST * side - 2 * RIM) / length
            for side, length in zip(labels.shape, proxy.mask.shape, strict=True)
        )
        if self.config.split == WINDOW:
            fits /= 2
        thing = scaled(proxy, min(self.config.scale, max(fits, 1e-3)), bool(rng.random() < 0.5))
        if self.config.split == QUARTERS:
            places = [(row, column) for row in (0, height) for column in (0, width)]
            places = [places[index] for index in rng.permutation(len(places))]
        else:
            rows, columns = rng.integers(height, size=_TRIES), rng.integers(width, size=_TRIES)
            places = list(zip(rows.tolist(), columns.tolist(), strict=True))
        chosen = next((place for place in places if _holds_both(thing, place, labels)), None)
        if chosen is None:
            # Nothing is labelled, or an outline leaves all corners empty: the place that shows
            # most of the object.
            chosen = max(places, key=lambda place: int(_seen(thing, place, labels.shape).sum()))
        canvas = Canvas.of(image, labels)
        canvas.put(thing, chosen, self.config.soft, self.aligner, rng)
        return canvas.mixed()


def _seen(thing: Proxy, centre: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where a picture shows the object, (H, W)."""
    seen = np.zeros(shape, bool)
    rows, columns = thing.mask.shape
    top, left = centre[0] - rows // 2, centre[1] - columns // 2
    first, second = max(-top, 0), max(-left, 0)
    part = thing.mask[first : shape[0] - top, second : shape[1] - left] > 0
    seen[top + first : top + rows, left + second : left + columns] = part
    return seen


def _holds_both(thing: Proxy, centre: tuple[int, int], labels: NDArray[np.uint8]) -> bool:
    seen = _seen(thing, centre, labels.shape)
    enough = seen.sum() >= _LEAST * thing.mask.sum()
    return bool(enough) and bool((labels[~seen] != IGNORE).any())
