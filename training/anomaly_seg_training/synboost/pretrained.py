# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a VGG's weights come from: torchvision, or a file, such as `train perceptual` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from anomaly_seg_ros.models import load_state, read_state_dict
from anomaly_seg_ros.models.resynthesis import Vgg
from anomaly_seg_training.errors import LabError

TORCHVISION = 'torchvision'


def make_vgg(options: Mapping[str, Any], key: str) -> Vgg:
    """Return a VGG with fresh weights.

    Args:
        options: Of `Vgg`, from a recipe.
        key: The recipe's key, for the error message.

    Raises:
        LabError: An option is unknown.
        ModelError: One has no valid value.
    """
    try:
        return Vgg(**options)
    except TypeError as error:
        msg = f'recipe key {key!r}: {error}'
        raise LabError(msg) from error


def load_vgg(network: Vgg, source: str | Path, depth: int) -> None:
    """Fill a VGG with weights.

    Args:
        network: Receives them.
        source: ``torchvision``, which downloads what it learnt on ImageNet, or a file of
            ``features.*``; deeper layers and classifiers in it are left out.
        depth: Of the network, for torchvision.

    Raises:
        LabError: The weights cannot be downloaded.
        ModelError: The file is missing or does not fit.
    """
    if str(source) == TORCHVISION:
        load_state(network, _fitting(network, _download(depth)), f"torchvision's VGG-{depth}")
        return
    path = Path(source)
    load_state(network, _fitting(network, read_state_dict(path)), str(path))


def _download(depth: int) -> Mapping[str, torch.Tensor]:
    try:
        import torchvision

        weights = torchvision.models.get_model_weights(f'vgg{depth}').DEFAULT
        state: Mapping[str, torch.Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except ImportError as error:
        msg = 'VGG weights of ImageNet need torchvision: pip install torchvision'
        raise LabError(msg) from error
    except (OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        msg = (
            f'the weights of VGG-{depth} cannot be downloaded ({reason}): pass --perceptual FILE '
            "with torchvision's file, or with weights of your own, which anomaly-seg-lab train "
            'perceptual makes without a download'
        )
        raise LabError(msg) from error
    return state


def _fitting(network: Vgg, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors that the network has a place for; what is missing is told on loading."""
    places = network.state_dict()
    return {name: tensor for name, tensor in state.items() if name in places}
