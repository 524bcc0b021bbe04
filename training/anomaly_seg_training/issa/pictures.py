# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages of what the networks draw, written while they are trained."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.render import contact_sheet
from anomaly_seg_training.issa.generator import Generator
from anomaly_seg_training.issa.networks import Inversion
from anomaly_seg_training.pictures import to_pixels

_SAMPLES = 12
_CELL = 192
"""Least width of a shown picture: smaller ones are hard to see."""


@torch.no_grad()
def samples_page(generator: Generator, seed: int) -> NDArray[np.uint8]:
    """Draw pictures from a few codes, the same ones each time; draws nothing from torch's seed."""
    device = generator.constant.device
    draws = torch.Generator(device).manual_seed(seed)
    latents = torch.randn(_SAMPLES, generator.codes, device=device, generator=draws)
    codes = generator.mapping(latents)[:, None].expand(-1, generator.layers, -1)
    cells = to_pixels(generator(codes, generator.random_noise(_SAMPLES, draws)))
    return contact_sheet(cells, 4, cell_width=max(_CELL, generator.size[1]))


@torch.no_grad()
def mixing_page(networks: Inversion, frames: torch.Tensor) -> NDArray[np.uint8]:
    """Draw every frame in the style of every frame.

    Args:
        networks: In evaluation mode.
        frames: (N, 3, H, W) RGB in [-1, 1].

    Returns:
        A page of N + 1 columns: frames whose content is taken on the left, those whose style is
        taken above; on the diagonal, what is left of a frame.
    """
    codes, maps = networks.encoder(frames)
    originals = to_pixels(frames)
    blank = np.full_like(originals[0], 255)
    cells: list[NDArray[np.uint8]] = [blank, *originals]
    captions = ['content / style', *(str(n + 1) for n in range(len(frames)))]
    for index in range(len(frames)):
        own = [values[index : index + 1].expand(len(frames), -1, -1, -1) for values in maps]
        cells += [originals[index], *to_pixels(networks.draw(codes, own))]
        captions += [str(index + 1), *[''] * len(frames)]
    width = max(_CELL, frames.shape[3])
    return contact_sheet(cells, len(frames) + 1, captions, cell_width=width)
