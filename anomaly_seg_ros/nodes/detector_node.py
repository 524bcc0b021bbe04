# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector node: camera images in; labels, anomaly scores and masks out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters
from anomaly_seg_ros.nodes.diagnostics import DiagnosticPublisher
from anomaly_seg_ros.nodes.health import Condition, Status, judge
from anomaly_seg_ros.nodes.label_info import LabelTable
from anomaly_seg_ros.nodes.outputs import Outputs
from anomaly_seg_ros.nodes.parameters import Parameters
from anomaly_seg_ros.nodes.pipeline import Pipeline
from anomaly_seg_ros.nodes.running import run_node
from anomaly_seg_ros.nodes.statistics import FrameStatistics
from anomaly_seg_ros.nodes.stream import ImageStream
from anomaly_seg_ros.selection import Selection

_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class DetectorNode(LifecycleNode):
    """Segment camera images and score every pixel for anomaly.

    Configuring loads the bundle, activating subscribes, deactivating unsubscribes, cleaning up
    frees the engine; with the parameter `autostart` the node takes the first two steps itself.
    When a step fails the node stays alive and says why, in its log and on ``/diagnostics``.

    Args:
        options: Keyword arguments of `rclpy.node.Node`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('detector', **options)
        self._phase = 'unconfigured'
        self._problem = ''
        self._enabled = True
        self._pipeline: Pipeline | None = None
        self._outputs: Outputs | None = None
        self._stream: ImageStream | None = None
        self._label_table: LabelTable | None = None
        self._selection: Selection | None = None
        self._statistics = FrameStatistics()
        self._reported = self._statistics.snapshot(time.monotonic())
        self._options = Parameters(
            self, DetectorParameters, self._on_parameters, lambda: self._phase, self._accept
        )
        self._enable_service = self.create_service(SetBool, '~/enable', self._on_enable)
        self._diagnostics = DiagnosticPublisher(
            self, self._collect, self._options.current.diagnostic_period
        )
        self._start_timer = None
        if self._options.current.autostart:
            # From the executor, when services and diagnostics are served already; in steady time,
            # since a simulation's clock may not have begun.
            self._start_timer = self.create_timer(
                0.001, self._autostart, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )

    def _autostart(self) -> None:
        if self._start_timer is not None:
            self.destroy_timer(self._start_timer)
            self._start_timer = None
        if self._phase == 'unconfigured' and self.trigger_configure() == _SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the bundle and the engine, warm up, create the publishers."""
        options = self._options.current
        try:
            pipeline = Pipeline.load(options)
        except AnomalySegError as error:
            return self._refuse(str(error))
        except Exception as error:  # noqa: BLE001 - engines raise their own kinds of errors
            return self._refuse(f'the bundle {options.bundle} cannot be loaded: {error}')
        self._pipeline = pipeline
        self._outputs = Outputs(self, options.output_reliability)
        self._problem = ''
        self._phase = 'inactive'
        self.get_logger().info(
            f'bundle {pipeline.card.name} on {pipeline.engine.name} ({pipeline.engine.device})'
        )
        self._selection = None
        self._log_selection()
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe."""
        pipeline, outputs = self._pipeline, self._outputs
        if pipeline is None or outputs is None or super().on_activate(state) != _SUCCESS:
            return _FAILURE
        try:
            self._stream = ImageStream(
                self, pipeline, outputs, lambda: self._options.current, self._statistics
            )
        except Exception as error:  # noqa: BLE001 - rclpy would swallow it, for instance a bad name
            super().on_deactivate(state)
            return self._refuse(f'cannot subscribe: {error}', 'activated')
        self._problem = ''
        self._stream.enabled = self._enabled
        self._phase = 'active'
        self._publish_label_info()
        self.get_logger().info(f'active: images are taken from {self._stream.topic}')
        return _SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, and finish the image in work."""
        self._stop()
        self._phase = 'inactive'
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the engine and remove the publishers."""
        result = super().on_cleanup(state)
        self._release()
        self._phase = 'unconfigured'
        return result

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from any state."""
        self._stop()
        result = super().on_shutdown(state)
        self._release()
        self._phase = 'finalized'
        return result

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured again."""
        self._stop()
        self._release()
        self._phase = 'unconfigured'
        self._problem = f'a transition from the state {state.label} failed'
        self.get_logger().error(self._problem)
        return _SUCCESS

    def close(self) -> None:
        """Stop working and free the engine, without transitions; for the end of the process."""
        self._stop()
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    def _refuse(self, reason: str, step: str = 'configured') -> TransitionCallbackReturn:
        self._problem = reason
        self.get_logger().error(f'not {step}: {reason}')
        self._diagnostics.publish()
        return _FAILURE

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None
        self._label_table = None

    def _accept(self, options: DetectorParameters) -> str:
        """Return why the loaded bundle cannot do what the parameters ask for, '' when it can."""
        if self._pipeline is None:
            return ''
        try:
            self._pipeline.select(options)
        except AnomalySegError as error:
            return str(error)
        return ''

    def _on_parameters(self, options: DetectorParameters) -> None:
        self._diagnostics.set_period(options.diagnostic_period)
        self._log_selection()
        if self._phase == 'active':
            self._publish_label_info()

    def _log_selection(self) -> None:
        """Say which score and threshold are in use, when they are others than before."""
        if self._pipeline is None:
            return
        selection = self._pipeline.select(self._options.current)
        if selection != self._selection:
            self._selection = selection
            self.get_logger().info(
                f'score {selection.score}, refinement {selection.refinement}, '
                + _in_words(selection.threshold)
            )

    def _on_enable(self, request: Any, response: Any) -> Any:
        self._enabled = bool(request.data)
        if self._stream is not None:
            self._stream.enabled = self._enabled
        response.success = True
        response.message = 'enabled' if self._enabled else 'disabled: images are dropped'
        return response

    def _publish_label_info(self) -> None:
        pipeline = self._pipeline
        if pipeline is None or self._outputs is None:
            return
        selection = pipeline.select(self._options.current)
        table = LabelTable(
            classes=pipeline.card.classes,
            score=selection.score,
            refinement=selection.refinement,
            threshold=selection.threshold,
            bundle=pipeline.card.name,
        )
        if table != self._label_table:
            self._label_table = table
            self._outputs.publish_label_info(table)

    def _collect(self) -> list[Status]:
        now = self._statistics.snapshot(time.monotonic())
        before, self._reported = self._reported, now
        stream = self._stream
        condition = Condition(
            state=self._phase,
            enabled=self._enabled,
            active_since=None if stream is None else stream.since,
            failure=self._problem,
            warnings=() if stream is None else stream.warnings,
            engine=self._engine_details(),
        )
        return judge(condition, before, now)

    def _engine_details(self) -> dict[str, str]:
        pipeline = self._pipeline
        if pipeline is None:
            return {}
        options = self._options.current
        selection = pipeline.select(options)
        return {
            'engine': pipeline.engine.name,
            'device': pipeline.engine.device,
            'bundle': pipeline.card.name,
            'bundle path': str(pipeline.bundle.path),
            'input size': str(pipeline.card.input_size),
            'score': selection.score,
            'refinement': selection.refinement,
            'threshold': 'none' if selection.threshold is None else f'{selection.threshold:g}',
            'hysteresis': f'{options.hysteresis:g}',
            'min area': str(options.min_area),
            'persistence': options.persistence or '1/1',
        }


def _in_words(threshold: float | None) -> str:
    return 'no threshold' if threshold is None else f'threshold {threshold:g}'


def run(args: Sequence[str] | None = None) -> int:
    """Run the node until the process is told to stop; return the exit code."""
    return run_node(DetectorNode, args)
