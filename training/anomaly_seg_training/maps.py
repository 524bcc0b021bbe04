# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Score maps of a network on disk, so that it sees every image once, whatever is done with them.

Statistics, refinements, fusions and their comparison all start from the same unrefined maps. At
2048x1024 an image takes seconds and its maps 44 MB; everything after the network takes less.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Preprocessing
from anomaly_seg_ros.detector import Detector
from anomaly_seg_ros.engines.base import LABELS
from anomaly_seg_ros.files import atomic_path
from anomaly_seg_ros.models.base import Segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_training.errors import LabError

PLAIN = 'plain'
FLIP = 'flip'
PASSES = (PLAIN, FLIP)


class ScoreMaps:
    """Runs a network at one size and keeps what it gives.

    Args:
        segmenter: In evaluation mode, on the CPU or a GPU.
        preprocessing: What it was trained with.
        size: The network's.
        scores: Names of scores.
        folder: Where maps are kept; made if missing.
        passes: ``plain``, or ``flip`` for the mean with those of the mirrored image. Labels are
            those of the plain image.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        preprocessing: Preprocessing,
        size: Size,
        scores: Sequence[str],
        folder: Path,
        passes: str = PLAIN,
    ) -> None:
        self.size = size
        self.scores = tuple(scores)
        self.passes = passes
        self._folder = folder
        self._device = next(segmenter.parameters()).device
        self._detector = Detector(segmenter, preprocessing, size, self.scores).eval()
        self._detector.to(self._device)

    def get(self, name: str, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Return labels and scores of one image of the network's size, from disk if it is there.

        Args:
            name: Unique among all images that share the folder; may hold slashes.
            image: (H, W, 3) uint8, RGB.

        Returns:
            ``labels`` (H, W) uint8 and every score (H, W) float32.

        Raises:
            LabError: The image has another size, or a file is not of these scores.
        """
        if image.shape[:2] != self.size.shape:
            msg = f'{name} is {image.shape[1]}x{image.shape[0]}, expected {self.size}'
            raise LabError(msg)
        file = self._folder / self.passes / str(self.size) / f'{name.replace("/", "_")}.npz'
        if file.is_file():
            return self._load(file)
        maps = self._run(image)
        with atomic_path(file) as temporary:
            np.savez(temporary, allow_pickle=False, **maps)
        return maps

    def _run(self, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        names = (LABELS, *self.scores)
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(image))[None].to(self._device)
            found = self._detector.run(batch, names)
            if self.passes == FLIP:
                mirrored = self._detector.run(batch.flip(2), self.scores)
                for score in self.scores:
                    found[score] = (found[score] + mirrored[score].flip(2)) / 2
        return {name: values[0].cpu().numpy() for name, values in found.items()}

    def _load(self, file: Path) -> dict[str, NDArray[Any]]:
        try:
            with np.load(file, allow_pickle=False) as content:
                return {name: content[name] for name in (LABELS, *self.scores)}
        except (KeyError, ValueError, OSError) as error:
            msg = f'{file} does not hold the maps of this run ({error}): remove its folder'
            raise LabError(msg) from error
