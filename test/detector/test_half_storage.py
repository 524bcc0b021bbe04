# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Constants in two bytes: the file shrinks, float16 values give the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip('onnx')
runtime = pytest.importorskip('onnxruntime')

from anomaly_seg_ros.detector.half_storage import store_halves  # noqa: E402


def _model(weights: np.ndarray, small: np.ndarray, path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node('MatMul', ['x', 'weights'], ['y']),
            helper.make_node('Add', ['y', 'small'], ['z']),
        ],
        'graph',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, (1, 64))],
        [helper.make_tensor_value_info('z', TensorProto.FLOAT, (1, 64))],
        [numpy_helper.from_array(weights, 'weights'), numpy_helper.from_array(small, 'small')],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10),
              str(path))  # fmt: skip


def _run(path: Path, x: np.ndarray) -> np.ndarray:
    session = runtime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    result: np.ndarray = session.run(None, {'x': x})[0]
    return result


def test_float16_values_survive_and_the_file_halves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 64)).astype(np.float16).astype(np.float32)
    small = rng.normal(size=64).astype(np.float32)
    path = tmp_path / 'model.onnx'
    _model(weights, small, path)
    x = rng.normal(size=(1, 64)).astype(np.float32)
    before, size = _run(path, x), path.stat().st_size
    store_halves(path)
    np.testing.assert_array_equal(_run(path, x), before)
    assert path.stat().st_size < 0.6 * size
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)


def test_other_values_move_by_their_rounding_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(64, 64)).astype(np.float32)
    path = tmp_path / 'model.onnx'
    _model(weights, np.zeros(64, np.float32), path)
    x = rng.normal(size=(1, 64)).astype(np.float32)
    store_halves(path)
    bound = np.abs(x) @ np.abs(weights) * 2**-11 + 1e-5
    assert np.all(np.abs(_run(path, x) - x @ weights) <= bound)
