# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An active detector: from the subscribed images to the published results."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.nodes import statistics as st
from anomaly_seg_ros.nodes.camera_info import CameraInfoRelay, Stamp, stamp_of
from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters
from anomaly_seg_ros.nodes.image_conversion import compressed_to_rgb, to_rgb
from anomaly_seg_ros.nodes.inputs import Inputs
from anomaly_seg_ros.nodes.outputs import Outputs
from anomaly_seg_ros.nodes.pipeline import MASK, OVERLAY, Pipeline
from anomaly_seg_ros.nodes.rate import RateLimiter
from anomaly_seg_ros.nodes.worker import NewestWorker

LOG_SECONDS = 5.0
"""A complaint is logged at most once in so many seconds; diagnostics count every one."""

_PLAUSIBLE_AGE_MS = 3_600_000.0


class ImageStream:
    """Receive images, run the network on the newest, publish what is wanted.

    The executor's thread only receives; a thread of its own runs the network, so that services
    answer meanwhile and every image that a newer one supersedes is counted.

    Args:
        node: The node, for subscriptions, log and clock.
        pipeline: What turns images into results.
        outputs: What publishes them.
        options: Returns the present parameters.
        statistics: Counts what happens to each image.
    """

    def __init__(
        self,
        node: Any,
        pipeline: Pipeline,
        outputs: Outputs,
        options: Callable[[], DetectorParameters],
        statistics: st.FrameStatistics,
    ) -> None:
        self._node = node
        self._log = node.get_logger()
        self._pipeline = pipeline
        self._outputs = outputs
        self._options = options
        self._statistics = statistics
        self._last_stamp: Stamp | None = None
        self._limiter = RateLimiter()
        self._relay = CameraInfoRelay(outputs.publish_camera_info)
        self._warnings: dict[str, str] = {}
        self.enabled = True
        self.since = time.monotonic()
        self._inputs = Inputs(
            node,
            options(),
            on_image=self._on_image,
            on_info=self._relay.add_info,
            on_lost=lambda number: statistics.count(st.LOST, number),
            on_incompatible=self._on_incompatible,
        )
        self._worker: NewestWorker[Any] = NewestWorker(self._process, 'detector')

    @property
    def topic(self) -> str:
        """The topic that images come from."""
        return self._inputs.topic

    @property
    def warnings(self) -> tuple[str, ...]:
        """What limits the results at present, in sentences."""
        return tuple(self._warnings.values())

    def stop(self) -> None:
        """Unsubscribe, and wait for the image in work."""
        self._inputs.destroy()
        self._worker.stop()

    def _on_image(self, message: Any) -> None:
        """Decide whether an image is worth the work; in the executor's thread."""
        now = time.monotonic()
        stamp = stamp_of(message)
        self._statistics.received(now)
        self._check_order(stamp)
        if not self.enabled:
            self._statistics.count(st.DISABLED)
        elif not self._outputs.wanted():
            self._statistics.count(st.UNWANTED)
            self._relay.image_processed(stamp)
        elif not self._limiter.admit(now, self._options().max_rate):
            self._statistics.count(st.LIMITED)
        elif self._worker.offer(message):
            self._statistics.count(st.SKIPPED)

    def _check_order(self, stamp: Stamp) -> None:
        last, self._last_stamp = self._last_stamp, stamp
        if last is not None and stamp < last:
            back = last[0] - stamp[0] + 1e-9 * (last[1] - stamp[1])
            self._statistics.went_back(back)
            self._relay.clear()
            self._log.warning(
                f'the stamp of the images went back by {back:.3f} s: did a bag loop or restart?',
                throttle_duration_sec=LOG_SECONDS,
            )

    def _process(self, message: Any) -> None:
        """Run the network on an image and publish; in the worker's thread."""
        begin = time.perf_counter()
        try:
            image = compressed_to_rgb(message) if hasattr(message, 'format') else to_rgb(message)
            wanted, options = self._outputs.wanted(), self._options()
            stamp = stamp_of(message)
            nanoseconds = stamp[0] * 10**9 + stamp[1]
            results = self._pipeline.run(image, wanted, options, nanoseconds)
            self._outputs.publish(results.arrays(wanted), message.header)
            self._relay.image_processed(stamp)
            if OVERLAY in wanted:
                # Last, since people can wait for it and vehicles do not.
                overlay = self._pipeline.overlay(image, results, options)
                self._outputs.publish({OVERLAY: overlay}, message.header)
        except AnomalySegError as error:
            self._reject(str(error))
            return
        except Exception as error:  # noqa: BLE001 - a dead thread would be a dead node
            self._reject(f'{type(error).__name__}: {error}')
            return
        self._note_threshold(MASK in wanted and results.mask is None, options)
        total = time.perf_counter() - begin
        self._statistics.processed(
            engine=1e3 * results.engine_seconds,
            outside=1e3 * (total - results.engine_seconds),
            **self._age(message),
        )

    def _age(self, message: Any) -> dict[str, float]:
        """Return the frame's age in ms, or nothing where the clocks tell none."""
        now = self._node.get_clock().now().nanoseconds
        seconds, nanoseconds = stamp_of(message)
        age = 1e-6 * (now - seconds * 10**9 - nanoseconds)
        # Before the first /clock message now is 0; a bag played without /clock is years old.
        return {'age': age} if now > 0 and 0.0 <= age < _PLAUSIBLE_AGE_MS else {}

    def _reject(self, reason: str) -> None:
        if not self._node.context.ok():
            return  # The process is being stopped, so nothing can be published any more.
        self._statistics.rejected(reason)
        self._log.warning(f'image rejected: {reason}', throttle_duration_sec=LOG_SECONDS)

    def _note_threshold(self, missing: bool, options: DetectorParameters) -> None:
        if not missing:
            self._warnings.pop('threshold', None)
            return
        self._warnings['threshold'] = (
            'no mask is published, since neither the parameter threshold nor the bundle gives a '
            f'threshold for {self._pipeline.select(options).output}: set it, or run '
            'anomaly-seg calibrate'
        )
        self._log.warning(self._warnings['threshold'], throttle_duration_sec=LOG_SECONDS)

    def _on_incompatible(self, sentence: str) -> None:
        self._warnings['qos'] = sentence
        self._log.error(sentence, throttle_duration_sec=LOG_SECONDS)
