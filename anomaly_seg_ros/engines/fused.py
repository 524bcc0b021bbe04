# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any engine with one score more: a fusion of those that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.engines.base import Engine, EngineError
from anomaly_seg_ros.fusion import Fusion
from anomaly_seg_ros.size import Size

FUSED = 'fused'
"""The name of the score."""


class FusedEngine:
    """Offers `FUSED` beside the outputs of an engine.

    Its card lists the score like any other, so that it can be chosen, calibrated and shown; it has
    no class statistics, since what it is made of may be standardised already.

    Args:
        engine: What runs the detector; it belongs to this one from now on.
        fusion: Of outputs that the engine has.

    Raises:
        EngineError: The engine lacks an output of the fusion, or has a score of that name.
    """

    def __init__(self, engine: Engine, fusion: Fusion) -> None:
        missing = [output for output in fusion.outputs if output not in engine.card.outputs]
        if missing:
            msg = (
                f'the fusion {fusion.name!r} needs {", ".join(missing)}, the bundle '
                f'{engine.card.name!r} has: {", ".join(engine.card.outputs)}'
            )
            raise EngineError(msg)
        if FUSED in engine.card.scores:
            msg = f'the bundle {engine.card.name!r} has a score {FUSED!r} already'
            raise EngineError(msg)
        self.engine = engine
        self.fusion = fusion
        self.name = engine.name
        self.device = engine.device
        self.card = replace(engine.card, scores=(*engine.card.scores, FUSED))

    def run(self, image: NDArray[np.uint8], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the detector and fuse what it gives; see `Engine.run`."""
        if FUSED not in outputs:
            return self.engine.run(image, outputs)
        inner = tuple(dict.fromkeys((*outputs, *self.fusion.outputs)))
        results = self.engine.run(image, tuple(name for name in inner if name != FUSED))
        results[FUSED] = self.fusion.combine(results)
        return {name: results[name] for name in outputs}

    def warm_up(self, size: Size) -> None:
        """Run once on a black image; see `Engine.warm_up`."""
        self.engine.warm_up(size)

    def close(self) -> None:
        """Release the engine."""
        self.engine.close()
