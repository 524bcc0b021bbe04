# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exact anomaly figures of a stream of images, pooled over all pixels or averaged over images.

Pooling is the protocol of Fishyscapes (Blum et al. 2021, "The Fishyscapes Benchmark") and of
SegmentMeIfYouCan; the mean over images is that of CAOS (Hendrycks et al. 2022, "Scaling
Out-of-Distribution Detection for Real-World Settings"). Scores are float32 and higher is more
anomalous, pixels that are neither 0 nor 1 are ignored, equal scores share one threshold.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.metrics.curves import AnomalyCurves
from anomaly_seg_ros.metrics.errors import MetricError
from anomaly_seg_ros.metrics.figures import AnomalyResult, figures, undefined
from anomaly_seg_ros.metrics.runs import FileRun, MemoryRun, Run, ScoreRuns
from anomaly_seg_ros.metrics.sweep import BLOCK

MEMORY = 128 * 2**20
"""Bytes of scores in memory before they go to disk: those of 30 million pixels."""
POINTS = 1000
"""Most points of a curve."""
_CHUNK = 1 << 17
_FORMAT = 1
_STATE, _SCORES = 'state.json', 'scores.npy'


class AnomalyMetrics:
    """Pools scores over images and computes the exact figures of all of them, in one pass.

    Memory: `memory` for scores and at most 100 MB for a while in `compute`, whatever the number
    of pixels. What does not fit goes to an unnamed temporary file, 4 bytes per pixel that counts,
    which the system removes with the process, even a killed one.

    Args:
        max_pixels: Refuse to pool more than this, so that a long replay cannot fill the disk;
            None for no limit.
        memory: Bytes of scores to hold in memory; three quarters are for normal pixels.
        folder: For the temporary file; None for the system's (``TMPDIR``).
        block: Scores to hold in memory in `compute`.
    """

    def __init__(
        self,
        max_pixels: int | None = None,
        *,
        memory: int = MEMORY,
        folder: Path | None = None,
        block: int = BLOCK,
    ) -> None:
        self.max_pixels = max_pixels
        self._block = block
        self._normal = ScoreRuns(max(memory * 3 // 16, 1), folder)
        self._anomalous = ScoreRuns(max(memory // 16, 1), folder)
        self._images = 0
        self._swept: tuple[int, AnomalyResult, AnomalyCurves | None] | None = None

    @property
    def pixels(self) -> int:
        """The number of pixels pooled so far."""
        return self._normal.size + self._anomalous.size

    @property
    def images(self) -> int:
        """The number of images pooled so far."""
        return self._images

    def update(self, score: NDArray[Any], target: NDArray[Any]) -> None:
        """Add one or more images.

        Args:
            score: Floats, (H, W) or (N, H, W), higher = more anomalous; rounded to float32.
                Infinities are scores like any other. Other shapes are taken as one image.
            target: Integers of the same shape: 0 normal, 1 anomaly, 255 ignored.

        Raises:
            MetricError: Shapes differ, the target holds another value, a score that counts is
                NaN, `max_pixels` would be exceeded, or the disk is full. Nothing is added then.
        """
        score, target = np.asarray(score), np.asarray(target)
        normal, anomalous = check(score, target)
        self._check_limit(normal + anomalous)
        self._normal.reserve(normal)
        self._anomalous.reserve(anomalous)
        for part, part_normal, part_anomalous in _chunks(score, target):
            self._normal.add(_pick(part, part_normal))
            self._anomalous.add(_pick(part, part_anomalous))
        self._images += len(score) if score.ndim > 2 else 1
        self._swept = None

    def add_scores(self, anomalous: NDArray[np.float32], normal: NDArray[np.float32]) -> None:
        """Add one image as the scores of its pixels that count, in any order.

        Args:
            anomalous: (n,) scores of anomalous pixels, none of them NaN.
            normal: (n,) scores of normal pixels, likewise.

        Raises:
            MetricError: `max_pixels` would be exceeded or the disk is full. Nothing is added then.
        """
        self._check_limit(anomalous.size + normal.size)
        self._anomalous.reserve(anomalous.size)
        self._normal.reserve(normal.size)
        self._anomalous.add(anomalous)
        self._normal.add(normal)
        self._images += 1
        self._swept = None

    def attach(self, anomalous: Iterable[Run], normal: Iterable[Run], images: int) -> None:
        """Add sorted scores as they are, in memory or in files; they are not copied."""
        self._anomalous.attach(anomalous)
        self._normal.attach(normal)
        self._images += images
        self._swept = None

    def merge(self, other: AnomalyMetrics) -> None:
        """Add everything that `other` has pooled; `other` stays as it is.

        Raises:
            MetricError: `max_pixels` would be exceeded or the disk is full.
        """
        self._check_limit(other.pixels)
        self._normal.reserve(other._normal.buffered)
        self._anomalous.reserve(other._anomalous.buffered)
        self._normal.merge(other._normal)
        self._anomalous.merge(other._anomalous)
        self._images += other._images
        self._swept = None

    def compute(self) -> AnomalyResult:
        """Return the figures of everything added so far; more may be added afterwards."""
        return self._sweep(None)[0]

    def curves(self, points: int = POINTS) -> AnomalyCurves | None:
        """Return the ROC and the PR curve; None where one of both classes is absent.

        Args:
            points: Most points of each curve, at least 4. Both ends are always among them.
        """
        return self._sweep(points)[1]

    def save(self, folder: Path) -> None:
        """Write everything to a new folder, whole or not at all, for another process to `load`.

        Raises:
            MetricError: The folder exists or cannot be written.
        """
        if folder.exists():
            msg = f'{folder} exists already: choose a new folder for the pooled scores'
            raise MetricError(msg)
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f'.{folder.name}-'))
        try:
            kinds = {'normal': self._normal.runs(), 'anomalous': self._anomalous.runs()}
            _write_scores(beside / _SCORES, [run for runs in kinds.values() for run in runs])
            sizes = {kind: [run.size for run in runs] for kind, runs in kinds.items()}
            write_json(beside / _STATE, {'format': _FORMAT, 'images': self._images, **sizes})
            beside.chmod(0o755)
            beside.replace(folder)
        except OSError as error:
            msg = f'cannot write pooled scores to {folder}: {error}'
            raise MetricError(msg) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path, **options: Any) -> AnomalyMetrics:
        """Return what `save` wrote to a folder, which must stay as long as it is used.

        Args:
            folder: Written by `save`.
            options: As in the constructor.

        Raises:
            MetricError: It does not hold pooled scores, or not all of them.
        """
        metrics = cls(**options)
        try:
            state = json.loads((folder / _STATE).read_text('utf-8'))
            whole = np.load(folder / _SCORES, mmap_mode='r', allow_pickle=False)
            sizes = [(kind, int(n)) for kind in ('normal', 'anomalous') for n in state[kind]]
            images, version = int(state['images']), state['format']
            offset = int(whole.offset)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f'{folder} does not hold pooled scores of anomaly metrics: {error}'
            raise MetricError(msg) from error
        if version != _FORMAT or sum(n for _, n in sizes) != whole.size:
            msg = (
                f'{folder} holds {whole.size} scores in format {version}, expected '
                f'{sum(n for _, n in sizes)} in format {_FORMAT}: make it again'
            )
            raise MetricError(msg)
        runs: dict[str, list[Run]] = {'normal': [], 'anomalous': []}
        for kind, size in sizes:
            runs[kind].append(FileRun(folder / _SCORES, offset, size))
            offset += 4 * size
        metrics.attach(runs['anomalous'], runs['normal'], images)
        return metrics

    def _check_limit(self, more: int) -> None:
        if self.max_pixels is not None and self.pixels + more > self.max_pixels:
            msg = (
                f'{self.pixels} pixels are pooled and {more} more came, the limit is '
                f'{self.max_pixels} (4 bytes each): evaluate fewer frames or raise the limit'
            )
            raise MetricError(msg)

    def _sweep(self, points: int | None) -> tuple[AnomalyResult, AnomalyCurves | None]:
        if self._swept is None or points not in {None, self._swept[0]}:
            points = POINTS if points is None else points
            found = figures(
                self._anomalous.runs(), self._normal.runs(), self._images, points, self._block
            )
            self._swept = points, *found
        return self._swept[1], self._swept[2]


class PerImageMetrics:
    """The mean over images of the figures of each, as CAOS and its descendants report.

    Images without anomalous pixels, or without normal ones, have no figures and are left out.
    """

    def __init__(self) -> None:
        self.results: list[AnomalyResult] = []
        """Of each image added, in that order; those left out among them."""

    @property
    def skipped(self) -> int:
        """The number of images left out."""
        return sum(result.ap is None for result in self.results)

    def update(self, score: NDArray[Any], target: NDArray[Any]) -> None:
        """Add one or more images; arguments and errors as in `AnomalyMetrics.update`."""
        score, target = np.asarray(score), np.asarray(target)
        check(score, target)
        images = zip(score, target, strict=True) if score.ndim > 2 else [(score, target)]
        for one_score, one_target in images:
            runs: list[list[Run]] = []
            for value in (1, 0):
                values = _pick(one_score, one_target == value)
                # A selection of everything is no copy, and must not be sorted in place.
                runs.append([MemoryRun(np.sort(values))] if values.size else [])
            self.results.append(figures(runs[0], runs[1], 1, 4)[0])

    def merge(self, other: PerImageMetrics) -> None:
        """Add the images of `other`."""
        self.results.extend(list(other.results))

    def compute(self) -> AnomalyResult:
        """Return the means; no threshold, each image has its own, and pixels that count."""
        counted = [result for result in self.results if result.ap is not None]
        pixels = sum(result.pixels for result in counted)
        anomalous = sum(result.anomalous_pixels for result in counted)
        if not counted:
            return undefined(pixels, anomalous, 0)
        names = ('auroc', 'ap', 'fpr95', 'fpr95_nearest', 'fpr95_caos', 'fpr95_interpolated')
        means = {
            name: math.fsum(getattr(result, name) for result in counted) / len(counted)
            for name in (*names, 'best_f1')
        }
        return AnomalyResult(
            **means,
            best_f1_threshold=None,
            pixels=pixels,
            anomalous_pixels=anomalous,
            images=len(counted),
        )


def check(score: NDArray[Any], target: NDArray[Any]) -> tuple[int, int]:
    """Check one or more images.

    Returns:
        The numbers of normal and of anomalous pixels.

    Raises:
        MetricError: As in `AnomalyMetrics.update`.
    """
    if score.shape != target.shape:
        msg = (
            f'the score has shape {score.shape} and the ground truth {target.shape}: '
            'expected one score for each pixel of the ground truth'
        )
        raise MetricError(msg)
    if not np.issubdtype(score.dtype, np.floating):
        msg = f'received scores of type {score.dtype}, expected floats'
        raise MetricError(msg)
    normal = anomalous = nans = 0
    for part, part_normal, part_anomalous in _chunks(score, target):
        normal += int(np.count_nonzero(part_normal))
        anomalous += int(np.count_nonzero(part_anomalous))
        if np.isnan(part).any():
            nans += int(np.count_nonzero(np.isnan(part) & (part_normal | part_anomalous)))
    counted = normal + anomalous
    if counted != target.size and counted + np.count_nonzero(target == IGNORE) != target.size:
        values, counts = np.unique(target, return_counts=True)
        histogram = dict(zip(values.tolist(), counts.tolist(), strict=True))
        msg = (
            f'the anomaly ground truth holds the values {histogram} (value: pixels), '
            'expected 0 (normal), 1 (anomaly) and 255 (ignored)'
        )
        raise MetricError(msg)
    if nans:
        msg = f'{nans} of {counted} scores are NaN: expected a number for each pixel'
        raise MetricError(msg)
    return normal, anomalous


def _chunks(
    score: NDArray[Any], target: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield scores and where they are normal and anomalous, few enough for the cache."""
    flat_score, flat_target = score.reshape(-1), target.reshape(-1)
    for start in range(0, flat_score.size, _CHUNK):
        part = flat_target[start : start + _CHUNK]
        yield flat_score[start : start + _CHUNK], part == 0, part == 1


def _pick(score: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    # A float64 beyond the range of float32 becomes infinite, which keeps its place.
    with np.errstate(over='ignore'):
        chosen: NDArray[np.float32] = score[where].astype(np.float32, copy=False)
    return chosen


def _write_scores(path: Path, runs: list[Run]) -> None:
    """Write all runs one after another as one array that `np.load` reads."""
    header = {'descr': '<f4', 'fortran_order': False, 'shape': (sum(run.size for run in runs),)}
    with path.open('wb') as file:
        np.lib.format.write_array_header_1_0(file, header)
        for run in runs:
            for start in range(0, run.size, _CHUNK):
                part = run.read(start, min(start + _CHUNK, run.size))
                file.write(part.astype('<f4', copy=False).tobytes())
