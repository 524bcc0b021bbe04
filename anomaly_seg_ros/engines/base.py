# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine can do, and the checks that all engines share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Card
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.refinement import needs_statistics, split_output
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
            outputs: Of ``labels``, ``confidence`` and the card's `outputs`: every score by its
                name, and after a refinement as ``<score>+<refinement>``.

        Returns:
            By name: labels and confidence (N, H, W) uint8, scores (N, H, W) float32, higher =
            more anomalous, all at the size of the image.

        Raises:
            EngineError: The image or an output's name is wrong, an output needs class statistics
                and the card has none, a score is not finite, or the device fails, for example
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
    """Refuse names that the bundle does not offer, or not before it is calibrated.

    Raises:
        EngineError: No output is asked for, a name is unknown, and the message lists all names;
            or class statistics are missing.
    """
    known = (LABELS, CONFIDENCE, *card.outputs)
    for name in outputs:
        if name not in known:
            msg = f'the bundle has no output {name!r}; choose of: {", ".join(known)}'
            raise EngineError(msg)
    if not outputs:
        msg = f'no output is asked for; choose of: {", ".join(known)}'
        raise EngineError(msg)
    for name in outputs:
        if needs_statistics(name) and split_output(name)[0] not in (card.statistics or {}):
            msg = (
                f'the output {name!r} needs class statistics, and the bundle {card.name!r} has '
                'none: take them with anomaly-seg calibrate'
            )
            raise EngineError(msg)


def check_finite(results: Mapping[str, NDArray[Any]]) -> None:
    """Refuse scores that a threshold or an average would silently make nothing of.

    Raises:
        EngineError: A score has values that are not finite.
    """
    for name, values in results.items():
        # The sum is finite unless a value is not, or it overflows: only then look closely.
        with np.errstate(over='ignore', invalid='ignore'):
            suspicious = values.dtype != np.uint8 and not np.isfinite(values.sum())
        wrong = np.size(values) - np.count_nonzero(np.isfinite(values)) if suspicious else 0
        if wrong:
            msg = (
                f'the network gave {name!r} with {wrong} of {values.size} pixels not finite: its '
                'weights are damaged or do not fit, export the bundle again'
            )
            raise EngineError(msg)


def failure(error: Exception, name: str, image: NDArray[np.uint8]) -> EngineError:
    """Turn a runtime's exception into one sentence."""
    first = (str(error).strip().splitlines() or [''])[0]
    reason = first[:200] or type(error).__name__
    return EngineError(f'{name} failed on images of shape {image.shape}: {reason}')
