# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a name to a loaded engine."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines.base import DEVICES, Engine, EngineError
from anomaly_seg_ros.registry import Registry

EngineLoader = Callable[[Bundle, str, int], Engine]

ENGINES: Registry[EngineLoader] = Registry('engine')
"""What loads a bundle, by engine name: (bundle, device, threads) -> engine."""


@ENGINES.register('auto')
def _auto(bundle: Bundle, device: str, threads: int) -> Engine:
    """Take ONNX Runtime where it can run the bundle, PyTorch otherwise."""
    runnable = bundle.card.graph is not None and find_spec('onnxruntime') is not None
    if not runnable and bundle.card.weights is None:
        msg = f'{bundle.path} holds only a graph: pip install onnxruntime to run it'
        raise EngineError(msg)
    return ENGINES.get('onnxruntime' if runnable else 'torch')(bundle, device, threads)


@ENGINES.register('onnxruntime')
def _onnxruntime(bundle: Bundle, device: str, threads: int) -> Engine:
    from anomaly_seg_ros.engines.onnx import OnnxEngine

    return OnnxEngine(bundle, device, threads)


@ENGINES.register('torch')
def _torch(bundle: Bundle, device: str, threads: int) -> Engine:
    if find_spec('torch') is None:
        msg = 'the engine torch needs PyTorch: pip install torch, or use the engine onnxruntime'
        raise EngineError(msg)
    from anomaly_seg_ros.engines.torch import TorchEngine

    return TorchEngine(bundle, device, threads)


def load_engine(name: str, bundle: Bundle, *, device: str = 'auto', threads: int = 0) -> Engine:
    """Load a bundle into an engine.

    Args:
        name: ``onnxruntime``, ``torch``, or ``auto`` for the first of them that can run it.
        bundle: An open bundle.
        device: ``auto`` (a GPU where the engine finds one), ``cpu`` or ``cuda``.
        threads: Threads inside operators; 0 = all cores.

    Raises:
        EngineError: The name or device is unknown, or the engine cannot be loaded.
        BundleError: The bundle lacks the file that the engine needs, or contradicts its card.
    """
    if device not in DEVICES:
        msg = f'received the device {device!r}, expected one of: {", ".join(DEVICES)}'
        raise EngineError(msg)
    if threads < 0:
        msg = f'received {threads} threads, expected 0 (all cores) or more'
        raise EngineError(msg)
    try:
        loader = ENGINES.get(name)
    except KeyError as error:
        raise EngineError(error.args[0]) from error
    return loader(bundle, device, threads)
