# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch: the engine for weights without an exported graph, and the reference for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.detector import Detector, create_detector
from anomaly_seg_ros.engines.base import (
    LABELS,
    EngineError,
    check_finite,
    check_image,
    check_outputs,
    failure,
)
from anomaly_seg_ros.refinement import needs_statistics, statistics_table
from anomaly_seg_ros.size import Size


class TorchEngine:
    """Runs a bundle's segmenter, rebuilt from its card and weights.

    Args:
        bundle: A bundle with weights.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: Threads inside operators, for the whole process; 0 = PyTorch's own choice.

    Raises:
        BundleError: The bundle has no weights, or its card names an unknown segmenter or score.
        ModelError: The weights do not fit the segmenter.
        EngineError: The device is not there.
    """

    name = 'torch'

    def __init__(self, bundle: Bundle, device: str = 'auto', threads: int = 0) -> None:
        self.card = bundle.card
        if device == 'cuda' and not torch.cuda.is_available():
            msg = 'the device cuda was asked for, but PyTorch finds none: use the device cpu'
            raise EngineError(msg)
        self.device = 'cuda' if device != 'cpu' and torch.cuda.is_available() else 'cpu'
        if threads > 0:
            torch.set_num_threads(threads)
        card = bundle.card
        detector = create_detector(bundle)
        try:
            self._detector: Detector | None = detector.eval().to(self.device)
            table = statistics_table(
                card.statistics, card.scores, len(card.classes), card.shrinkage
            )
            self._statistics = torch.from_numpy(table).to(self.device)
        except RuntimeError as error:
            msg = f'the model does not fit on {self.device}: {str(error).splitlines()[0][:200]}'
            raise EngineError(msg) from error

    def run(self, image: NDArray[np.uint8], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the network and the reductions that `outputs` need; see `Engine.run`."""
        check_image(image)
        check_outputs(outputs, self.card)
        if self._detector is None:
            msg = 'the engine torch is closed: load it again'
            raise EngineError(msg)
        try:
            # TF32 would leave only three digits; scores are compared to 1e-3.
            with (
                torch.inference_mode(),
                torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
            ):
                batch = torch.from_numpy(_writable(image)).to(self.device)
                names = tuple(dict.fromkeys(outputs))
                statistics = self._statistics if any(map(needs_statistics, names)) else None
                results = self._detector.run(batch, names, statistics)
                arrays = {name: result.cpu().numpy() for name, result in results.items()}
        except Exception as error:
            if self.device == 'cuda':
                torch.cuda.empty_cache()
            raise failure(error, self.name, image) from error
        check_finite(arrays)
        return arrays

    def warm_up(self, size: Size) -> None:
        """Run once on a black image, labels and the card's output; see `Engine.warm_up`."""
        self.run(np.zeros((1, *size.shape, 3), np.uint8), (LABELS, self.card.output))

    def close(self) -> None:
        """Release the network."""
        self._detector = None
        if self.device == 'cuda':
            torch.cuda.empty_cache()


def _writable(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """PyTorch takes neither negative strides nor, without a warning, read-only memory."""
    image = np.ascontiguousarray(image)
    return image if image.flags.writeable else image.copy()
