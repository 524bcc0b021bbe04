# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generator and encoder together: take a picture apart, and draw one from parts of two."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.issa.encoder import STRIDES, Encoder
from anomaly_seg_training.issa.generator import Generator


class Inversion(nn.Module):
    """A generator and the encoder that was trained on it.

    Args:
        generator: Draws.
        encoder: Reads.
    """

    def __init__(self, generator: Generator, encoder: Encoder) -> None:
        super().__init__()
        self.generator = generator
        self.encoder = encoder

    def draw(self, codes: torch.Tensor, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Draw pictures from style codes and the encoder's noise maps.

        Noise that the encoder does not read is 0, so that equal parts give equal pictures.

        Args:
            codes: (N, layers, codes).
            maps: (N, 1, h, w) for each of the encoder's noise layers.

        Returns:
            (N, 3, H, W) RGB, about [-1, 1].
        """
        noise = self.generator.no_noise(len(codes))
        for layer, values in zip(self.encoder.noise_layers, maps, strict=True):
            noise[layer] = values
        result: torch.Tensor = self.generator(codes, noise)
        return result

    def forward(self, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Draw the content of one picture in the style of another.

        Args:
            content: (N, 3, H, W) RGB in [-1, 1], whose noise maps are taken.
            style: (N, 3, H, W), whose style codes are taken.

        Returns:
            (N, 3, H, W) RGB, about [-1, 1].
        """
        return self.draw(self.encoder(style)[0], self.encoder(content)[1])


def generator_of(state: Mapping[str, torch.Tensor]) -> Generator:
    """Build the generator that tensors belong to.

    Raises:
        KeyError: Tensors are missing.
        IndexError: They have other shapes.
        RuntimeError: They do not fit together.
    """
    constant = state['constant']
    channels = [state[f'rgbs.{n}.conv.weight'].shape[1] for n in range(_count(state, 'rgbs'))]
    generator = Generator(
        (constant.shape[2], constant.shape[3]), channels, state['mapping.mean'].shape[0],
        _count(state, 'mapping.layers'),
    )  # fmt: skip
    generator.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return generator


def inversion_of(state: Mapping[str, torch.Tensor], what: str) -> Inversion:
    """Build the networks that a state dict belongs to, in evaluation mode.

    Args:
        state: Tensors by name.
        what: Their file, for the error message.

    Raises:
        LabError: They are other networks'.
    """
    try:
        generator = generator_of(_part(state, 'generator.'))
        parts = _part(state, 'encoder.')
        stages = _count(parts, 'pyramid.stages')
        lateral = [parts[f'pyramid.lateral.{n}.weight'] for n in range(stages + 1)]
        layers = sorted({int(name.split('.')[1]) for name in parts if name.startswith('noise.')})
        for layer in layers:
            _check_noise(generator, layer)
        encoder = Encoder(
            generator, layers, [weight.shape[1] for weight in lateral],
            [_count(parts, f'pyramid.stages.{n}') for n in range(stages)], lateral[0].shape[0],
        )  # fmt: skip
        encoder.load_state_dict(
            {
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in parts.items()
            }
        )
    except (KeyError, IndexError, RuntimeError, ValueError, ZeroDivisionError) as error:
        msg = (
            f'{what} holds no ISSA networks of this lab: pass the weights.safetensors that '
            'anomaly-seg-lab train issa has written'
        )
        raise LabError(msg) from error
    return Inversion(generator, encoder).eval().requires_grad_(False)


def _check_noise(generator: Generator, layer: int) -> None:
    if not 0 <= layer < len(generator.convs):
        raise IndexError(layer)
    if generator.size[0] // generator.noise_size(layer)[0] not in STRIDES:
        raise ValueError(layer)


def _part(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}


def _count(state: Mapping[str, torch.Tensor], prefix: str) -> int:
    """Return how many numbered parts a prefix has."""
    pattern = re.compile(re.escape(prefix) + r'\.(\d+)\.')
    found = [pattern.match(name) for name in state]
    return len({match[1] for match in found if match})
