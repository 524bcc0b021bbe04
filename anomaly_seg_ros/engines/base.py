# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine can do, and the checks that all engines share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Card
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.size import Size

LABELS = 'labels'
CONFIDENCE = 'confidence'
DEVICES = ('auto', 'cpu', 'cuda')


class EngineError(AnomalySegError):
    """An engine cannot be loaded, or cannot run what it was given."""


class Engine(Protocol):
    """A loaded detector.

    Attributes:
        name: ``onnxruntime`` or ``torch``.
        device: ``cpu`` or ``cuda``.
        card: The card of the bundle.
    """

    name: str
    device: str
    card: Card

    def run(self, image: NDArray[np.uint8], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the detector and compute only what is asked for.

        Args:
            image: (N, H, W, 3) uint8, RGB; any strides.
            outputs: Of ``labels``, ``confidence`` and the card's scores.

        Returns:
            By name: labels and confidence (N, H, W) uint8, scores (N, H, W) float32, higher =
            more anomalous, all at the size of the image.

        Raises:
            EngineError: The image or an output's name is wrong, or the device fails, for example
                because its memory is full; the engine can be used again afterwards.
        """
        ...

    def warm_up(self, size: Size) -> None:
        """Run once on a black image of `size`, so that the first frame is not the slowest.

        Raises:
            EngineError: The device fails.
        """
        ...

    def close(self) -> None:
        """Release the device's memory; the engine cannot be used afterwards."""
        ...


def check_image(image: Any) -> None:
    """Refuse what is no batch of RGB images.

    Raises:
        EngineError: The type, the number of dimensions or of channels is wrong, or it is empty.
    """
    if not isinstance(image, np.ndarray):
        msg = f'received a {type(image).__name__}, expected an array (N, H, W, 3) of uint8'
        raise EngineError(msg)
    if image.dtype != np.uint8 or image.ndim != 4 or image.shape[3] != 3:
        msg = (
            f'received an array of shape {image.shape} and type {image.dtype}, '
            'expected (N, H, W, 3) of uint8, RGB'
        )
        raise EngineError(msg)
    if image.size == 0:
        msg = f'received an empty array of shape {image.shape}, expected at least one pixel'
        raise EngineError(msg)


def check_outputs(outputs: Sequence[str], card: Card) -> None:
    """Refuse names that the bundle does not offer.

    Raises:
        EngineError: No output is asked for, or a name is unknown; the message lists all names.
    """
    known = (LABELS, CONFIDENCE, *card.scores)
    for name in outputs:
        if name not in known:
            msg = f'the bundle has no output {name!r}; choose of: {", ".join(known)}'
            raise EngineError(msg)
    if not outputs:
        msg = f'no output is asked for; choose of: {", ".join(known)}'
        raise EngineError(msg)


def failure(error: Exception, name: str, image: NDArray[np.uint8]) -> EngineError:
    """Turn a runtime's exception into one sentence."""
    first = (str(error).strip().splitlines() or [''])[0]
    reason = first[:200] or type(error).__name__
    return EngineError(f'{name} failed on images of shape {image.shape}: {reason}')
