# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects at their size in the scene, and into it, without a rim of their old background."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.proxies.base import Aligner, Box, Mixed, Proxy

RIM = 4
"""Pixels around an object that a scaled proxy keeps, for the soft edge."""
_SPREAD = 1.5
"""Sigma in pixels by which an object's colours are carried over its outline."""
_ENOUGH = 0.25
"""Share of a pixel that an object must cover for its colour to be told."""
_VISIBLE = 0.5 / 255
"""Less of an object than this changes no pixel."""


@dataclass
class Canvas:
    """A picture into which objects are put, one over the other."""

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    ood: NDArray[np.bool_]

    @classmethod
    def of(cls, image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Canvas:
        """Copy a scene."""
        return cls(image.copy(), labels.copy(), np.zeros(labels.shape, bool))

    def mixed(self) -> Mixed:
        """Return what it has become."""
        return Mixed(self.image, self.labels, self.ood)

    def put(
        self,
        proxy: Proxy,
        centre: tuple[int, int],
        soft: float,
        aligner: Aligner | None,
        rng: np.random.Generator,
    ) -> None:
        """Put a scaled proxy into the picture; what reaches over the border is cut off.

        Args:
            proxy: As `scaled` returns it.
            centre: (row, column) of the middle of the proxy's rectangle.
            soft: Sigma of the edge in pixels; 0 for a hard one.
            aligner: Called before the blending, with the scene as it is now.
            rng: For the aligner.
        """
        rows, columns = proxy.mask.shape
        box = Box(centre[0] - rows // 2, centre[1] - columns // 2, rows, columns)
        inside, part = _overlap(box, self.labels.shape)
        if not proxy.mask[part].any():
            return
        if aligner is not None:
            proxy = aligner.align(proxy, self.image, box, rng)
        amount = proxy.mask.astype(np.float32)
        if soft > 0:
            amount = cv2.GaussianBlur(amount, (0, 0), soft).astype(np.float32, copy=False)
        mask, share = proxy.mask[part] > 0, amount[part]
        shown = mask | (share > _VISIBLE)
        behind = self.image[inside].astype(np.float32)
        mixed = behind + share[..., None] * (proxy.image[part].astype(np.float32) - behind)
        np.copyto(self.image[inside], np.round(mixed).astype(np.uint8), where=shown[..., None])
        self.labels[inside][shown] = IGNORE
        if proxy.label != IGNORE:
            self.labels[inside][mask] = proxy.label
            self.ood[inside] &= ~mask
            return
        # Where the edge of a nearer object covers most of an older one, that one is gone, but
        # what covers it is unknown too.
        self.ood[inside] |= mask


def scaled(proxy: Proxy, factor: float, flip: bool = False) -> Proxy:
    """Scale an object, with a rim of `RIM` pixels around it that carries its own colours on.

    Colours are averaged over the object's pixels alone: what was behind it in its photograph
    shows neither in its edge nor around it.

    Args:
        proxy: The object.
        factor: New over old size.
        flip: Mirror it, left to right.

    Returns:
        Its mask holds at least one pixel.
    """
    rows, columns = proxy.mask.shape
    size = (max(1, round(columns * factor)), max(1, round(rows * factor)))
    # In bytes: an error of half a grey value costs nothing, and floats take four times as long.
    amount = np.minimum(proxy.mask, 1) * np.uint8(255)
    weighted = cv2.bitwise_and(proxy.image, proxy.image, mask=amount)
    if factor != 1:
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        amount = cv2.resize(amount, size, interpolation=method).astype(np.uint8, copy=False)
        weighted = cv2.resize(weighted, size, interpolation=method)
    if flip:
        amount, weighted = np.ascontiguousarray(amount[:, ::-1]), weighted[:, ::-1]
    border = (RIM, RIM, RIM, RIM, cv2.BORDER_CONSTANT)
    share = cv2.copyMakeBorder(amount, *border).astype(np.float32) / 255
    colours = cv2.copyMakeBorder(weighted, *border).astype(np.float32)
    mask = (share >= min(0.5, float(share.max()))).astype(np.uint8)
    image = np.clip(np.round(_filled(colours, share)), 0, 255).astype(np.uint8)
    return replace(proxy, image=image, mask=mask)


def _filled(weighted: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide colours by their weights; where there are none, take those nearby, else the mean."""
    own = weighted / np.maximum(share, _ENOUGH)[..., None]
    wide = cv2.GaussianBlur(weighted, (0, 0), _SPREAD)
    near = cv2.GaussianBlur(share, (0, 0), _SPREAD)
    mean = weighted.sum((0, 1)) / max(float(share.sum()), 1e-6)
    far = np.where(near[..., None] > 0.02, wide / np.maximum(near, 0.02)[..., None], mean)
    return np.where(share[..., None] >= _ENOUGH, own, far).astype(np.float32)


def _overlap(box: Box, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part of a box within a picture: there, and in the box's own coordinates."""
    inside, part = [], []
    for start, length, full in zip((box.top, box.left), (box.height, box.width), shape[:2],
                                   strict=True):  # fmt: skip
        first = min(max(start, 0), full)
        last = max(min(start + length, full), first)
        inside.append(slice(first, last))
        part.append(slice(first - start, last - start))
    return (inside[0], inside[1]), (part[0], part[1])
