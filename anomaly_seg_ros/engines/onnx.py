# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime: the portable engine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Bundle, BundleError, OnnxGraph
from anomaly_seg_ros.engines.base import (
    CONFIDENCE,
    LABELS,
    EngineError,
    check_finite,
    check_image,
    check_outputs,
    failure,
)
from anomaly_seg_ros.refinement import needs_statistics, statistics_table
from anomaly_seg_ros.size import Size

MAX_SESSIONS = 4
_CUDA = 'CUDAExecutionProvider'


class OnnxEngine:
    """Runs the exported graph of a bundle.

    ONNX Runtime runs every node of a session's graph, so there is one session, of the graph cut
    down to what it needs, for each combination of outputs that is asked for: it is made at the
    first call, within tens of milliseconds, and the four used last are kept.

    Args:
        bundle: A bundle with a graph.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: Threads inside operators; 0 = one per physical core.

    Raises:
        BundleError: The bundle has no graph.
        EngineError: onnxruntime is missing, has no such device, or cannot load the graph.
    """

    name = 'onnxruntime'

    def __init__(self, bundle: Bundle, device: str = 'auto', threads: int = 0) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            msg = 'the engine onnxruntime needs its package: pip install onnxruntime'
            raise EngineError(msg) from error
        self.card = bundle.card
        self._runtime = onnxruntime
        self._path = bundle.file('graph')
        self._graph: OnnxGraph | None = OnnxGraph(self._path)
        self._threads = threads
        card = self.card
        self._statistics = statistics_table(
            card.statistics, card.scores, len(card.classes), card.shrinkage
        )
        self._sessions: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        available = onnxruntime.get_available_providers()
        if device == 'cuda' and _CUDA not in available:
            msg = (
                'the device cuda was asked for, but this onnxruntime has only '
                f'{", ".join(available)}: install onnxruntime-gpu or use the device cpu'
            )
            raise EngineError(msg)
        self._providers = ['CPUExecutionProvider']
        if device != 'cpu' and _CUDA in available:
            self._providers.insert(0, _CUDA)
        session = self._check_graph()
        self.device = 'cuda' if _CUDA in session.get_providers() else 'cpu'
        if device == 'cuda' and self.device != 'cuda':
            msg = (
                'the device cuda was asked for, but its libraries do not load: install CUDA and '
                'cuDNN as onnxruntime-gpu needs them, or use the device cpu'
            )
            raise EngineError(msg)

    def run(self, image: NDArray[np.uint8], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the nodes that lead to `outputs`; see `Engine.run`."""
        check_image(image)
        check_outputs(outputs, self.card)
        names = tuple(sorted(set(outputs)))
        session = self._session(names)
        feeds: dict[str, NDArray[Any]] = {}
        if any(map(needs_statistics, names)):
            feeds['statistics'] = self._statistics
        try:
            feeds['image'] = np.ascontiguousarray(image)
            arrays = session.run(names, feeds)
        except Exception as error:
            raise failure(error, self.name, image) from error
        results = dict(zip(names, arrays, strict=True))
        check_finite(results)
        return results

    def warm_up(self, size: Size) -> None:
        """Run once on a black image, labels and the card's output; see `Engine.warm_up`."""
        self.run(np.zeros((1, *size.shape, 3), np.uint8), (LABELS, self.card.output))

    def close(self) -> None:
        """Release all sessions."""
        self._sessions.clear()
        self._graph = None

    def _session(self, names: tuple[str, ...]) -> Any:
        """Return the session that computes exactly `names`."""
        if self._graph is None:
            msg = 'the engine onnxruntime is closed: load it again'
            raise EngineError(msg)
        session = self._sessions.pop(names, None)
        if session is None:
            options = self._runtime.SessionOptions()
            options.log_severity_level = 4  # Errors come as exceptions with the same text.
            options.intra_op_num_threads = self._threads
            # Plans are kept per image size, and a stream that changes size would grow for ever.
            options.enable_mem_pattern = False
            # Threads that spin while they wait take cores from the camera and the middleware.
            options.add_session_config_entry('session.intra_op.allow_spinning', '0')
            try:
                session = self._runtime.InferenceSession(
                    self._graph.with_outputs(names), options, providers=self._providers
                )
            except Exception as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
                msg = f'onnxruntime cannot load {self._path} ({reason}): export the bundle again'
                raise EngineError(msg) from error
        self._sessions[names] = session
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def _check_graph(self) -> Any:
        """Refuse a graph that is not what the card says; return a first session."""
        expected = {LABELS, CONFIDENCE, *self.card.outputs}
        names = set() if self._graph is None else set(self._graph.output_names)
        if not expected <= names:
            msg = (
                f'{self._path} has the outputs {sorted(names)}, expected {sorted(expected)} as '
                'the card says: export the bundle again'
            )
            raise BundleError(msg)
        first = tuple(sorted((LABELS, self.card.output)))
        session = self._session(first)
        inputs = {i.name: i.type for i in session.get_inputs()}
        wanted = {'image': 'tensor(uint8)'}
        if any(map(needs_statistics, first)):
            wanted['statistics'] = 'tensor(float)'
        if inputs != wanted:
            msg = f'{self._path} has the inputs {inputs}, expected {wanted}: export it again'
            raise BundleError(msg)
        return session
