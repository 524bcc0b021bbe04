# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptive instance normalisation: the scene's statistics of learnt features, decoded again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from anomaly_seg_ros.models import read_state_dict
from anomaly_seg_training.alignment.adain_network import STRIDE, adain, network_of, padded
from anomaly_seg_training.alignment.base import ALIGNERS, AlignerConfig, StyleAligner, part_at
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.proxies.base import Box, Proxy

_LEAST, _MOST = 64, 192
"""Pixels of a side of the scene's part that gives the style."""


@dataclass(frozen=True)
class AdainConfig(AlignerConfig):
    """Whose features, and how far they go.

    Args:
        strength: As for all aligners; mixes pictures.
        alpha: How far features go towards the scene's; mixes features, so that what is between
            is sharp. At 1 an object may be hard to recognise.
        weights: The ``weights.safetensors`` that ``anomaly-seg-lab train adain`` has written.
    """

    alpha: float = 0.6
    weights: str = ''

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        super().__post_init__()
        self.require_share('alpha')


@ALIGNERS.register('adain')
class AdainAligner(StyleAligner):
    """Encode object and surroundings, exchange the statistics of their features, decode.

    Raises:
        LabError: There are no weights, or another network's.
        ModelError: The weights cannot be read.
    """

    config_type = AdainConfig

    def __init__(self, config: AlignerConfig | None = None) -> None:
        super().__init__(config)
        self.config = config if isinstance(config, AdainConfig) else AdainConfig()
        if not self.config.weights:
            msg = (
                "the style aligner 'adain' needs the option weights: make them with "
                'anomaly-seg-lab train adain'
            )
            raise LabError(msg)
        path = Path(self.config.weights)
        self.network = network_of(read_state_dict(path), str(path))

    @torch.inference_mode()
    def restyle(
        self, proxy: Proxy, scene: NDArray[np.uint8], box: Box, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Stylise the proxy; only features under its mask are measured, all are moved."""
        del rng
        content = self.network.encode(padded(_tensor(proxy.image)))[-1]
        style = self.network.encode(padded(_tensor(_surroundings(scene, box))))[-1]
        mask = padded(torch.from_numpy(proxy.mask)[None, None].float())
        weight = functional.avg_pool2d(mask, STRIDE)
        features = torch.lerp(content, adain(content, style, weight), self.config.alpha)
        image = self.network.decode(features)[0].permute(1, 2, 0).numpy()
        rows, columns = proxy.mask.shape
        result: NDArray[np.uint8] = np.clip(np.round(image[:rows, :columns] * 255), 0, 255).astype(
            np.uint8
        )
        return result


def _surroundings(scene: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the part of a scene about a box that gives the style, of bounded size."""
    middle = (box.top + box.height // 2, box.left + box.width // 2)
    height, width = (min(max(2 * side, _LEAST), _MOST) for side in (box.height, box.width))
    place = Box(middle[0] - height // 2, middle[1] - width // 2, height, width)
    return part_at(scene, place)


def _tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    """Return (1, 3, h, w) in [0, 1]."""
    values = np.ascontiguousarray(image.transpose(2, 0, 1))
    return torch.from_numpy(values)[None].float() / 255
