# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Large constants of a graph stored in two bytes; runtimes compute with four as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anomaly_seg_ros.files import atomic_path

MIN_SIZE = 1024
"""Values below which a constant is not worth a node."""


def store_halves(path: Path | str) -> None:
    """Round large float32 constants of an ONNX file to float16 and cast them back when it loads.

    Runtimes fold the cast into the constant. Nothing else changes where the values were float16
    before; otherwise each moves by up to 2**-11 of itself.

    Args:
        path: The file, which is replaced.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    casts: list[Any] = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < MIN_SIZE:
            continue
        name = tensor.name
        halves = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(halves, f'{name}/half'))
        casts.append(
            helper.make_node('Cast', [tensor.name], [name], f'{name}/cast', to=TensorProto.FLOAT)
        )
    # Nodes must stand before those that read them.
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))
