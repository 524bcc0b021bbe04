# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures over the frames of a replay, from the detector's messages; no ROS needed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from anomaly_seg_ros.bags.messages import read_map
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.metrics import AnomalyMetrics, ConfusionMatrix, LatencyStats
from anomaly_seg_ros.nodes.frame_book import Entry

IMAGE = 'image'
LABELS, SCORE = 'labels', 'anomaly_score'
TRUE_LABELS, TRUE_ANOMALY = 'ground_truth/labels', 'ground_truth/anomaly'
_LATE = 128
"""Frames that may still wait for their image."""


class Evaluation:
    """Pools frames as they come.

    Args:
        classes: Number of known classes.
        max_pixels: Most pixels to pool for the anomaly figures, 4 bytes each, on disk beyond
            the first 30 million.
    """

    def __init__(self, classes: int, max_pixels: int | None = None) -> None:
        self._confusion = ConfusionMatrix(classes)
        self._anomaly = AnomalyMetrics(max_pixels)
        self._latency = LatencyStats()
        self._without_image: OrderedDict[int, float] = OrderedDict()
        self._first_output: float | None = None
        self._last_output = 0.0
        self.frames = 0
        self.labelled = 0
        self.scored = 0
        self.problems: list[str] = []
        """What could not be evaluated, the first of each kind in words."""
        self.failed = 0
        """Frames whose messages could not be evaluated."""

    def arrived(self, entry: Entry) -> None:
        """Count a complete frame and its latency: image sent to last output received."""
        output = max(entry.times[LABELS], entry.times[SCORE])
        self.frames += 1
        if IMAGE in entry.times:
            self._latency.add(max(output - entry.times[IMAGE], 0.0))
        else:
            self._without_image[entry.stamp] = output
            if len(self._without_image) > _LATE:
                self._without_image.popitem(last=False)
        if self._first_output is None:
            self._first_output = output
        self._last_output = max(output, self._last_output)

    def came_late(self, stamp: int, sent: float) -> None:
        """Count the latency of a complete frame whose image is heard of only now.

        The middleware repeats images that were sent while it still connected.

        Args:
            stamp: Header stamp of the image in nanoseconds.
            sent: When it was sent, in seconds; when that is not known, it is after the outputs,
                and tells nothing.
        """
        output = self._without_image.pop(stamp, None)
        if output is not None and sent <= output:
            self._latency.add(output - sent)

    def evaluate(self, entry: Entry) -> str:
        """Compare a complete frame with its ground truth.

        Returns:
            What is wrong with the frame in one sentence, or nothing.
        """
        messages = entry.messages
        problem = ''
        try:
            if TRUE_LABELS in messages:
                self._confusion.update(read_map(messages[LABELS]), read_map(messages[TRUE_LABELS]))
                self.labelled += 1
            if TRUE_ANOMALY in messages:
                self._anomaly.update(read_map(messages[SCORE]), read_map(messages[TRUE_ANOMALY]))
                self.scored += 1
        except AnomalySegError as error:
            self.failed += 1
            problem = f'the frame of stamp {entry.stamp / 1e9:.9f} was not evaluated: {error}'
            if len(self.problems) < 10:
                self.problems.append(problem)
        return problem

    @property
    def rate(self) -> float | None:
        """Frames per second from the first output to the last; None for less than two."""
        if self._first_output is None or self._last_output <= self._first_output:
            return None
        return (self.frames - 1) / (self._last_output - self._first_output)

    def latency(self) -> dict[str, float | None]:
        """Return the latency's percentiles in milliseconds."""
        return self._latency.milliseconds()

    def summary(self) -> dict[str, Any]:
        """Return all figures for JSON; None where there is no ground truth."""
        anomaly, segmentation = self._anomaly.compute().as_dict(), self._confusion.compute()
        return {
            'rate_hz': self.rate,
            'latency_ms': self.latency(),
            'auroc': anomaly['auroc'],
            'ap': anomaly['ap'],
            'fpr95': anomaly['fpr95'],
            'miou': segmentation.as_dict()['miou'],
            'iou': segmentation.as_dict()['iou'] if self.labelled else None,
            'frames_with_labels': self.labelled,
            'frames_with_anomaly': self.scored,
            'frames_not_evaluated': self.failed,
            'anomaly_pixels': anomaly['pixels'],
            'anomaly_positives': anomaly['anomalous_pixels'],
            'problems': self.problems,
        }


def in_words(summary: dict[str, Any]) -> str:
    """Return a summary as a few lines for a terminal."""

    def percent(key: str) -> str:
        value = summary[key]
        return 'no ground truth' if value is None else f'{100 * value:.2f} %'

    latency, rate = summary['latency_ms'], summary['rate_hz']
    lines = [
        (
            f'frames    {summary["frames_out"]} of {summary["frames_in"]} '
            f'({summary["skipped"]} skipped, {summary["lost"]} lost)'
        ),
        'rate      ' + ('unknown' if rate is None else f'{rate:.2f} Hz'),
        'latency   '
        + (
            'unknown'
            if latency['p50'] is None
            else f'p50 {latency["p50"]:.1f} ms, p95 {latency["p95"]:.1f} ms'
        ),
        f'AUROC     {percent("auroc")}',
        f'AP        {percent("ap")}',
        f'FPR95     {percent("fpr95")}',
        f'mIoU      {percent("miou")}',
    ]
    return '\n'.join(lines)
