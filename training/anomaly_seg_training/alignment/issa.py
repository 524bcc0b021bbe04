# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ISSA: style codes of the scene, noise maps of the object (Zhang et al. 2023, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.models import read_state_dict
from anomaly_seg_training.alignment.base import (
    ALIGNERS,
    AlignerConfig,
    RegionConfig,
    StyleAligner,
    region_of,
)
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.issa.networks import inversion_of
from anomaly_seg_training.proxies.base import Box, Proxy
from anomaly_seg_training.proxies.paste import RIM

_MARGIN = 1.25
"""The window that the networks see, over the object: they know objects in front of streets."""
_RIM = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
"""What `scaled` carries the object's colours over; without it a soft edge shows the old style."""


@dataclass(frozen=True)
class IssaConfig(RegionConfig):
    """Whose networks, and what is kept of the object.

    Args:
        strength: As for all aligners.
        region: As for `RegionConfig`; whose style codes are taken.
        detail: Share of what the networks lose of the object, when they draw it in its own style,
            that is added again. 0 is the paper's; at 1 only the change of style is theirs, and
            an object stays as sharp as it was.
        weights: The ``weights.safetensors`` that ``anomaly-seg-lab train issa`` has written.
    """

    detail: float = 0.0
    weights: str = ''

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        self.require_share('detail')


@ALIGNERS.register('issa')
class IssaAligner(StyleAligner):
    """Draw the object, in front of its place, from its own noise maps and the scene's codes.

    Raises:
        LabError: There are no weights, or other networks'.
        ModelError: The weights cannot be read.
    """

    config_type = IssaConfig

    def __init__(self, config: AlignerConfig | None = None) -> None:
        super().__init__(config)
        self.config = config if isinstance(config, IssaConfig) else IssaConfig()
        if not self.config.weights:
            msg = (
                "the style aligner 'issa' needs the option weights: make them with "
                'anomaly-seg-lab train issa'
            )
            raise LabError(msg)
        path = Path(self.config.weights)
        self.networks = inversion_of(read_state_dict(path), str(path))

    @torch.inference_mode()
    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Draw the object anew with a rim for its soft edge; beyond, the image stays as it is."""
        del rng
        networks, size = self.networks, self.networks.generator.size
        place = window_about(box, size)
        inside = (
            slice(box.top - place.top, box.top - place.top + box.height),
            slice(box.left - place.left, box.left - place.left + box.width),
        )
        content = part_with_border(scene, place)
        covered = cv2.dilate(proxy.mask, _RIM)[..., None] > 0
        content[inside] = np.where(covered, proxy.image, content[inside])
        style = region_of(scene, box, self.config.region)
        codes, maps = networks.encoder(
            torch.cat([_tensor(picture, size) for picture in (style, content)])
        )
        own = [values[1:] for values in maps]
        picture = _image(networks.draw(codes[:1], own), place)[inside]
        if self.config.detail > 0:
            again = _image(networks.draw(codes[1:], own), place)[inside]
            picture = picture + self.config.detail * (proxy.image - again)
        picture = np.clip(np.round(picture), 0, 255).astype(np.uint8)
        return np.where(covered, picture, proxy.image)


def window_about(box: Box, size: tuple[int, int]) -> Box:
    """Return a box of a picture's aspect about another, larger by a margin.

    Args:
        box: What is to be inside.
        size: Height and width, for the aspect.
    """
    height = _MARGIN * max(box.height, box.width * size[0] / size[1])
    rows = max(box.height, round(height))
    columns = max(box.width, round(height * size[1] / size[0]))
    top = box.top - (rows - box.height) // 2
    return Box(top, box.left - (columns - box.width) // 2, rows, columns)


def part_with_border(scene: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Copy a part of a scene; outside, the pixels of its border are repeated.

    Returns:
        (box.height, box.width, 3) uint8.
    """
    rows = np.clip(np.arange(box.top, box.top + box.height), 0, scene.shape[0] - 1)
    columns = np.clip(np.arange(box.left, box.left + box.width), 0, scene.shape[1] - 1)
    result: NDArray[np.uint8] = scene[rows[:, None], columns]
    return result


def _tensor(image: NDArray[np.uint8], size: tuple[int, int]) -> torch.Tensor:
    """Return an image of another size, (1, 3, h, w) in [-1, 1]."""
    shrinks = image.shape[0] > size[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, size[::-1], interpolation=method)
    values = np.ascontiguousarray(resized.transpose(2, 0, 1))
    return torch.from_numpy(values)[None].float() / 127.5 - 1


def _image(picture: torch.Tensor, place: Box) -> NDArray[np.float32]:
    """Return a picture (1, 3, h, w) in the size of a window, (H, W, 3), 0 to 255."""
    values = (picture[0].clamp(-1, 1).permute(1, 2, 0).numpy() + 1) * 127.5
    size = (place.width, place.height)
    method = cv2.INTER_AREA if place.height < values.shape[0] else cv2.INTER_CUBIC
    resized: NDArray[np.float32] = cv2.resize(values, size, interpolation=method).astype(
        np.float32, copy=False
    )
    return resized
