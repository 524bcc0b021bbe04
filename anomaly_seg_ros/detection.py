# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Running an engine over frames and writing what it finds to files; no ROS."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.cleanup import CleanupConfig, MaskCleaner
from anomaly_seg_ros.engines import Engine
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.files import atomic_path
from anomaly_seg_ros.metrics import AnomalyMetrics, ConfusionMatrix
from anomaly_seg_ros.render import VideoWriter, overlay
from anomaly_seg_ros.selection import Selection
from anomaly_seg_ros.sources import FrameSource, SourceFrame

RESULTS = ('labels', 'score', 'mask', 'overlay', 'video')
"""What can be written: folders of label, mask and overlay PNGs and score arrays; a video."""
DEFAULT_FPS = 10.0


class DetectionError(AnomalySegError):
    """Frames cannot be processed or results cannot be written."""


class Detection:
    """Frames in, files and figures out.

    Args:
        engine: What runs the detector.
        out: The folder of the results.
        selection: The output that is the score; without a threshold no mask is written.
        cleanup: How masks are cleaned; None leaves them as they are.
        results: Some of `RESULTS`.
    """

    def __init__(
        self,
        engine: Engine,
        out: Path,
        selection: Selection,
        cleanup: CleanupConfig | None = None,
        results: tuple[str, ...] = RESULTS,
    ) -> None:
        self._engine = engine
        self._out = out
        self._selection = selection
        self._cleaner = MaskCleaner(cleanup)
        self._results = results
        self._names: set[str] = set()
        self._confusion = ConfusionMatrix(len(engine.card.classes))
        self._anomaly = AnomalyMetrics()
        self._frames: list[dict[str, Any]] = []

    def run(self, source: FrameSource, progress: Callable[[], object] = lambda: None) -> None:
        """Process all frames of a source.

        Raises:
            AnomalySegError: A frame cannot be read or processed, or a file cannot be written; the
                results of earlier frames stay, except for the video.
        """
        iterator = iter(source)
        start = list(islice(iterator, 2))
        if not start:
            msg = f'{source.description} holds no frame, expected at least one'
            raise DetectionError(msg)
        with ExitStack() as stack:
            video = None
            if 'video' in self._results:
                writer = VideoWriter(self._out / 'overlay.mp4', _frame_rate(start))
                video = stack.enter_context(writer)
            for frame in chain(start, iterator):
                self._process(frame, video)
                progress()

    def summary(self) -> dict[str, Any]:
        """Return what was found per frame, and figures over frames with ground truth (or None)."""
        anomaly, segmentation = self._anomaly.compute().as_dict(), self._confusion.compute()
        return {
            **{key: anomaly[key] for key in ('auroc', 'ap', 'fpr95')},
            'miou': segmentation.as_dict()['miou'],
            'frames': self._frames,
        }

    def _process(self, frame: SourceFrame, video: VideoWriter | None) -> None:
        selection, mask = self._selection, None
        results = self._engine.run(frame.image[np.newaxis], ('labels', selection.output))
        labels, score = results['labels'][0], results[selection.output][0]
        if selection.threshold is not None:
            mask = self._cleaner.clean(
                score,
                selection.threshold,
                score_range=selection.score_range,
                stamp=frame.stamp,
            )
        name = self._unique(frame.name)
        if frame.labels is not None:
            self._confusion.update(labels, frame.labels)
        if frame.anomaly is not None:
            self._anomaly.update(score, frame.anomaly)
        if 'labels' in self._results:
            _write_png(self._out / 'labels' / f'{name}.png', labels)
        if 'score' in self._results:
            with atomic_path(self._out / 'score' / f'{name}.npy') as path:
                np.save(path, score)
        if 'mask' in self._results and mask is not None:
            _write_png(self._out / 'mask' / f'{name}.png', mask)
        if 'overlay' in self._results or video is not None:
            picture = self._overlay(frame.image, labels, score, mask)
            if 'overlay' in self._results:
                bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)
                _write_png(self._out / 'overlay' / f'{name}.png', bgr)
            if video is not None:
                video.write(picture)
        found = None if mask is None else float(np.count_nonzero(mask)) / mask.size
        self._frames.append({'name': name, 'anomalous_share': found})

    def _overlay(
        self,
        image: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        score: NDArray[np.float32],
        mask: NDArray[np.uint8] | None,
    ) -> NDArray[np.uint8]:
        return overlay(
            image,
            labels,
            score,
            mask,
            classes=self._engine.card.classes,
            score_range=self._selection.score_range,
            title=self._selection.output,
            threshold=self._selection.threshold,
        )

    def _unique(self, name: str) -> str:
        """Return a file name that no earlier frame has: a.jpg and a.png are two frames."""
        plain = name.replace('/', '_')
        unique, count = plain, 1
        while unique in self._names:
            count += 1
            unique = f'{plain}-{count}'
        self._names.add(unique)
        return unique


def _frame_rate(start: list[SourceFrame]) -> float:
    """Return frames per second from the first two stamps."""
    if len(start) < 2 or start[1].stamp <= start[0].stamp:
        return DEFAULT_FPS
    return min(max(1e9 / (start[1].stamp - start[0].stamp), 0.1), 1000.0)


def _write_png(path: Path, array: NDArray[np.uint8]) -> None:
    try:
        with atomic_path(path) as temporary:
            if not cv2.imwrite(str(temporary), array):
                msg = f'cannot write {path}: choose another folder'
                raise DetectionError(msg)
    except (OSError, cv2.error) as error:
        msg = f'cannot write {path}: {error}'
        raise DetectionError(msg) from error
