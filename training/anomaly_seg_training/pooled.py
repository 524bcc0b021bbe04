# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exact figures of many score maps at once, pooled over the images of a set, on disk.

At 2048x1024 fifty images of thirty scores are twelve gigabytes. They go to a folder, image by
image, so that memory holds one image and a killed run continues where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.files import atomic_path
from anomaly_seg_ros.metrics import AnomalyMetrics, AnomalyResult, MetricError
from anomaly_seg_ros.metrics.runs import FileRun

_BYTES = 4
# A row is read whole, so no places in it are looked for.
_NO_SAMPLE = np.empty(0, np.float32)


class PooledScores:
    """Scores of all pixels that count, one pair of files per image.

    Memory: one image, and what `AnomalyMetrics` needs. Disk: 4 bytes per score and pixel that
    counts, and as much for an output whose figures are taken if memory does not hold it.

    Args:
        folder: Made if it is missing; what it holds of these outputs is used.
        outputs: Names of the scores, in the order of the rows in the files.
    """

    def __init__(self, folder: Path, outputs: Sequence[str]) -> None:
        self.folder = folder
        self.outputs = tuple(outputs)
        # Of a file: where its numbers begin, and how many a row has.
        self._layouts: dict[str, tuple[int, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """Return the images that are done, sorted."""
        return sorted(path.name.removesuffix('.normal.npy') for path in self._files('normal'))

    def add(
        self, name: str, scores: Mapping[str, NDArray[np.float32]], target: NDArray[np.uint8]
    ) -> None:
        """Add one image; after it returns, the image is done whatever happens to the process.

        Args:
            name: The image's, a plain file name.
            scores: (H, W) per output, higher = more anomalous.
            target: (H, W), 0 normal, 1 anomaly, anything else does not count.

        Raises:
            MetricError: A score has another shape than the target, or is NaN where it counts.
        """
        # The file of normal pixels comes last: its presence says that the image is done.
        for kind, where in (('anomalous', target == 1), ('normal', target == 0)):
            file = self.folder / f'{name}.{kind}.npy'
            self._layouts.pop(file.name, None)
            header = {
                'descr': np.lib.format.dtype_to_descr(np.dtype(np.float32)),
                'fortran_order': False,
                'shape': (len(self.outputs), int(np.count_nonzero(where))),
            }
            with atomic_path(file) as temporary, temporary.open('wb') as content:
                # Row by row: all rows in memory at once would cost time, too.
                np.lib.format.write_array_header_1_0(content, header)
                for output in self.outputs:
                    content.write(_chosen(scores[output], where, f'{name}: {output}').data)

    def result(self, output: str) -> AnomalyResult:
        """Return the exact figures of one output over all images that are done."""
        return self.metrics(output).compute()

    def metrics(self, output: str, names: Sequence[str] | None = None) -> AnomalyMetrics:
        """Return the pooled scores of one output, of some images or of all that are done."""
        row = self.outputs.index(output)
        names = self.names() if names is None else names
        # Sorting all images at once costs less than sorting each and merging them.
        metrics = AnomalyMetrics(folder=self.folder)
        for name in names:
            metrics.add_scores(*(self._row(name, kind, row) for kind in ('anomalous', 'normal')))
        return metrics

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)

    def _files(self, kind: str) -> list[Path]:
        # A file that is still being written starts with a dot.
        return [f for f in self.folder.glob(f'*.{kind}.npy') if not f.name.startswith('.')]

    def _row(self, name: str, kind: str, row: int) -> NDArray[np.float32]:
        """Read one row of a file."""
        path = self.folder / f'{name}.{kind}.npy'
        offset, size = self._layout(path)
        return FileRun(path, offset + row * size * _BYTES, size, _NO_SAMPLE).read(0, size)

    def _layout(self, path: Path) -> tuple[int, int]:
        """Return the bytes before the first row of a file and the number of values in a row."""
        found = self._layouts.get(path.name)
        if found is None:
            rows = np.load(path, mmap_mode='r', allow_pickle=False)
            if len(rows) != len(self.outputs):
                msg = (
                    f'{path} holds {len(rows)} scores, expected {len(self.outputs)}: it belongs '
                    'to another run, remove its folder'
                )
                raise MetricError(msg)
            found = self._layouts[path.name] = (rows.offset, rows.shape[1])
        return found


def _chosen(
    scores: NDArray[np.float32], where: NDArray[np.bool_], what: str
) -> NDArray[np.float32]:
    """Return the scores of some pixels, (n,) float32.

    Raises:
        MetricError: The shapes differ, or a score is NaN.
    """
    if scores.shape != where.shape:
        msg = (
            f'{what} has shape {scores.shape} and the ground truth {where.shape}: expected one '
            'score for each pixel of the ground truth'
        )
        raise MetricError(msg)
    values = scores[where].astype(np.float32, copy=False)
    # The largest number is NaN if one is.
    if np.isnan(values.max(initial=-np.inf)):
        msg = f'{what} is NaN in places: expected a number for each pixel'
        raise MetricError(msg)
    return values
