# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of bytes as text that a browser reads back exactly.

A PNG would have to be read back from a canvas, which some browsers disturb on purpose against
tracking. Deflate they all read exactly, and behind a predictor it needs a fifth less than a PNG.
"""

from __future__ import annotations

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

_LEVEL = 9


def encode_plane(plane: NDArray[np.uint8]) -> str:
    """Return a map (H, W) as base64 of deflated residuals.

    A residual is the value less what left + above - above left predicts, modulo 256; neighbours
    beyond the border are 0.
    """
    values = np.pad(plane, ((1, 0), (1, 0)))
    # Arithmetic of bytes wraps around, as it is meant to.
    residuals = plane - (values[1:, :-1] + values[:-1, 1:] - values[:-1, :-1])
    return base64.b64encode(zlib.compress(residuals.tobytes(), _LEVEL)).decode('ascii')


def decode_plane(text: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the map that was encoded, (H, W)."""
    residuals = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(shape)
    # The prediction is undone by summing along both axes.
    return residuals.cumsum(axis=0, dtype=np.uint8).cumsum(axis=1, dtype=np.uint8)
