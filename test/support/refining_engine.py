# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An engine for tests that refines the plain scores of another in a few lines of NumPy.

What a node does with refinements can so be tested apart from the graph that computes them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.refinement.names import SML, parse_refinement, split_output
from anomaly_seg_ros.size import Size

REFINEMENTS = ('none', 'suppress', 'sml', 'sml+suppress')
STATISTICS = {
    'max_logit': {
        'count': [10] * 19,
        'mean': [0.1 * label - 1 for label in range(19)],
        'std': [1 + 0.05 * label for label in range(19)],
    }
}
CALIBRATION = {
    'max_logit': {'threshold': 8.0, 'method': 'for tests', 'score_range': [0.0, 30.0]},
    'max_logit+sml+suppress': {
        'threshold': 6.5,
        'method': 'for tests',
        'score_range': [-1.0, 17.0],
    },
}


class RefiningEngine:
    """Runs a bundle's plain graph and refines its scores by hand."""

    name = 'refining'

    def __init__(self, bundle: Bundle, device: str, threads: int) -> None:
        self.card = bundle.card
        plain = replace(
            bundle.card, refinements=('none',), refinement='none', statistics=None, calibration={}
        )
        graph = Bundle(bundle.path, plain)
        self._engine = load_engine('onnxruntime', graph, device=device, threads=threads)
        self.device = self._engine.device

    def run(self, image: NDArray[np.uint8], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return standardised scores, and for every other step a blurred one."""
        plain = {name for name in outputs if '+' not in name}
        scores = {split_output(name)[0] for name in outputs if '+' in name}
        raw = self._engine.run(image, tuple({'labels', *plain, *scores}))
        results = {name: raw[name] for name in plain}
        for name in set(outputs) - plain:
            score, refinement = split_output(name)
            values = raw[score]
            for step in parse_refinement(refinement):
                if step == SML:
                    table = (self.card.statistics or {})[score]
                    mean, std = (np.float32(table[key]) for key in ('mean', 'std'))
                    values = (values - mean[raw['labels']]) / std[raw['labels']]
                else:
                    values = np.stack([cv2.blur(value, (5, 5)) for value in values])
            results[name] = values
        return results

    def warm_up(self, size: Size) -> None:
        """Run once."""
        self.run(np.zeros((1, *size.shape, 3), np.uint8), ('labels', self.card.output))

    def close(self) -> None:
        """Release the graph."""
        self._engine.close()


def refining_bundle(plain: Path, directory: Path, **changes: Any) -> Path:
    """Copy a bundle and let its card offer `REFINEMENTS`, calibrated; change other keys."""
    shutil.copytree(plain, directory)
    card = directory / 'card.json'
    content = json.loads(card.read_text('utf-8'))
    content |= {
        'refinements': list(REFINEMENTS),
        'statistics': STATISTICS,
        'calibration': CALIBRATION,
        **changes,
    }
    card.write_text(json.dumps(content), 'utf-8')
    return directory
