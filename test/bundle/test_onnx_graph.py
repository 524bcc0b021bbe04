# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cutting a graph down to some outputs, against the onnx package's own extractor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from anomaly_seg_ros.bundle import BundleError, OnnxGraph  # noqa: E402


def value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])


def model(nodes: list[onnx.NodeProto], outputs: list[str]) -> onnx.ModelProto:
    weight = numpy_helper.from_array(np.float32([3, 5]), 'w')
    graph = helper.make_graph(nodes, 'g', [value('x')], [value(o) for o in outputs], [weight])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9, producer_name='test'
    )


@pytest.fixture
def branching(tmp_path: Path) -> Path:
    """Let a = x + w, b = -a, c = exp x, and d, which reads a inside the branches of an If."""
    condition = helper.make_node('Constant', [], ['yes'], value_int=1)
    inner = helper.make_node('Mul', ['a', 'w'], ['inner'])
    branch = helper.make_graph([inner], 'branch', [], [value('inner')])
    nodes = [
        helper.make_node('Add', ['x', 'w'], ['a']),
        helper.make_node('Neg', ['a'], ['b']),
        helper.make_node('Exp', ['x'], ['c']),
        condition,
        helper.make_node('Cast', ['yes'], ['really'], to=TensorProto.BOOL),
        helper.make_node('If', ['really'], ['d'], then_branch=branch, else_branch=branch),
    ]
    path = tmp_path / 'g.onnx'
    path.write_bytes(model(nodes, ['a', 'b', 'c', 'd']).SerializeToString())
    return path


@pytest.mark.parametrize(
    ('outputs', 'operators'),
    [
        (['b'], ['Add', 'Neg']),
        (['c'], ['Exp']),
        (['a', 'c'], ['Add', 'Exp']),
        (['d'], ['Add', 'Constant', 'Cast', 'If']),
        (['a', 'b', 'c', 'd'], ['Add', 'Neg', 'Exp', 'Constant', 'Cast', 'If']),
    ],
)
def test_only_needed_nodes_stay(branching: Path, outputs: list[str], operators: list[str]) -> None:
    graph = OnnxGraph(branching)
    assert graph.output_names == ('a', 'b', 'c', 'd')
    cut = graph.with_outputs(outputs)
    parsed = onnx.load_from_string(cut)
    onnx.checker.check_model(parsed)
    assert [node.op_type for node in parsed.graph.node] == operators
    assert [output.name for output in parsed.graph.output] == outputs
    assert parsed.producer_name == 'test'
    whole = onnxruntime.InferenceSession(str(branching))
    part = onnxruntime.InferenceSession(cut)
    x = {'x': np.float32([1, 2])}
    for ours, theirs in zip(part.run(outputs, x), whole.run(outputs, x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_inputs_that_nothing_reads_are_dropped(tmp_path: Path) -> None:
    nodes = [helper.make_node('Add', ['x', 'y'], ['a']), helper.make_node('Neg', ['x'], ['b'])]
    graph = helper.make_graph(nodes, 'g', [value('x'), value('y')], [value('a'), value('b')])
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    path = tmp_path / 'g.onnx'
    path.write_bytes(whole.SerializeToString())
    for outputs, inputs in ((['b'], ['x']), (['a'], ['x', 'y']), (['a', 'b'], ['x', 'y'])):
        cut = OnnxGraph(path).with_outputs(outputs)
        onnx.checker.check_model(onnx.load_from_string(cut))
        session = onnxruntime.InferenceSession(cut)
        assert [i.name for i in session.get_inputs()] == inputs


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_graph_is_cut_as_onnx_would(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = ['x', 'w']
    nodes = []
    for index in range(data.draw(st.integers(1, 12))):
        sources = [data.draw(st.sampled_from(names)) for _ in range(2)]
        nodes.append(helper.make_node('Add', sources, [f'n{index}']))
        names.append(f'n{index}')
    made = [node.output[0] for node in nodes]
    outputs = sorted(data.draw(st.sets(st.sampled_from(made), min_size=1)), key=made.index)
    wanted = sorted(data.draw(st.sets(st.sampled_from(outputs), min_size=1)), key=made.index)
    path = tmp_path_factory.mktemp('cut') / 'g.onnx'
    whole = model(nodes, outputs)
    path.write_bytes(whole.SerializeToString())
    ours = onnx.load_from_string(OnnxGraph(path).with_outputs(wanted)).graph
    needed = set(wanted)
    for node in reversed(nodes):
        if node.output[0] in needed:
            needed |= set(node.input)
    assert [n.output[0] for n in ours.node] == [n for n in made if n in needed]
    assert [o.name for o in ours.output] == wanted


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=60))
def test_junk_is_refused_or_read_never_a_crash(
    junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp('junk') / 'g.onnx'
    path.write_bytes(junk)
    try:
        graph = OnnxGraph(path)
    except BundleError as error:
        assert 'is not a whole ONNX model' in str(error)
    else:
        graph.with_outputs([])


@pytest.mark.parametrize('missing', [1, 7, 40])
def test_cut_file_is_refused(branching: Path, missing: int) -> None:
    branching.write_bytes(branching.read_bytes()[:-missing])
    with pytest.raises(BundleError, match='is not a whole ONNX model'):
        OnnxGraph(branching)
