# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights from files: strictly, and without running code from a file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from anomaly_seg_ros.models.base import ModelError, Segmenter


def load_weights(segmenter: nn.Module, path: Path | str) -> None:
    """Load a checkpoint into a segmenter; every tensor must match by name and shape.

    Args:
        segmenter: The network that receives the weights, in its own floating type.
        path: A ``.safetensors`` file, or a PyTorch file with a state dict (alone or under the
            key ``state_dict``); the prefix ``module.`` of DataParallel is removed.

    Raises:
        ModelError: The file is missing, unsafe or corrupt, or does not fit the network.
    """
    load_state(segmenter, read_state_dict(path), str(path))


def load_state(network: nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Load tensors into a network; every one must match by name and shape.

    Args:
        network: Receives the weights, in its own floating type.
        state: Tensors by name.
        source: Where they come from, for error messages.

    Raises:
        ModelError: They do not fit the network.
    """
    if isinstance(network, Segmenter):
        state = network.translate(state)
    expected = network.state_dict()
    missing = [name for name in expected if name not in state]
    unexpected = [name for name in state if name not in expected]
    misfits = [
        f'{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}'
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if missing or unexpected or misfits:
        parts = [
            f'{len(names)} tensors {what} ({", ".join(names[:3])})'
            for what, names in (
                ('missing', missing),
                ('unexpected', unexpected),
                ('of another shape', misfits),
            )
            if names
        ]
        msg = (
            f'{source} does not fit {type(network).__name__}: {"; ".join(parts)}; '
            'build it with the options that the checkpoint was trained with'
        )
        raise ModelError(msg)
    network.load_state_dict(dict(state), strict=True)


def read_state_dict(path: Path | str) -> dict[str, torch.Tensor]:
    """Read named tensors from a file onto the CPU, without the prefix ``module.``.

    Raises:
        ModelError: The file is missing, unsafe or corrupt, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        msg = f'there is no weights file {path}: pass a .safetensors or PyTorch state dict file'
        raise ModelError(msg)
    content = _read_safetensors(path) if path.suffix == '.safetensors' else _read_torch(path)
    if isinstance(content, Mapping) and isinstance(content.get('state_dict'), Mapping):
        content = content['state_dict']
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in content.items()
    ):
        msg = f'{path} holds no state dict (names -> tensors): save segmenter.state_dict() in it'
        raise ModelError(msg)
    return {name.removeprefix('module.'): tensor for name, tensor in content.items()}


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        msg = f'{path} needs the package safetensors: pip install safetensors'
        raise ModelError(msg) from error
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        msg = f'{path} is not a whole safetensors file ({error}): download or export it again'
        raise ModelError(msg) from error


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = (
            f'{path} is not a PyTorch file of plain tensors ({reason}): '
            'save the state dict alone, files that hold code are refused'
        )
        raise ModelError(msg) from error
