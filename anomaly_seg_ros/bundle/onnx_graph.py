# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looking into ONNX files without the onnx package: references to files, parts of a graph.

The numbers are the field numbers of onnx.proto3, IR version 10 and earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from anomaly_seg_ros.bundle.errors import BundleError
from anomaly_seg_ros.bundle.protobuf import MalformedError, Record, encode, records, text

# Message -> field number -> message inside it.
_MESSAGES: dict[str, dict[int, str]] = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {13: 'entry'},
    'entry': {},
}
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _VALUE_NAME = 1, 2, 1
_MAX_DEPTH = 64


class OnnxGraph:
    """The bytes of a model, searched and cut but never decoded as a whole.

    Args:
        path: An ONNX file.

    Raises:
        BundleError: It cannot be read or is not a whole model.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._data = memoryview(path.read_bytes())
            graphs = [
                r for r in records(self._data, 0, len(self._data)) if r.number == _MODEL_GRAPH
            ]
            if len(graphs) != 1:
                raise MalformedError
            self._graph = graphs[0]
            self._files = frozenset(self._external('model', 0, len(self._data), 0))
            self.output_names = tuple(self._name(r) for r in self._records(_GRAPH_OUTPUT))
        except OSError as error:
            msg = f'cannot read {path}: {error.strerror or error}'
            raise BundleError(msg) from error
        except MalformedError as error:
            msg = f'{path} is not a whole ONNX model: copy or export the bundle again'
            raise BundleError(msg) from error

    @property
    def external_files(self) -> frozenset[str]:
        """The locations of other files that tensors of the model are kept in."""
        return self._files

    def with_outputs(self, names: Iterable[str]) -> bytes:
        """Return the model cut down to some outputs and the nodes and inputs that they need.

        ONNX Runtime runs every node of a graph, whichever outputs are fetched: what shall not be
        computed must not be there.
        """
        wanted = set(names)
        dropped = {r for r in self._records(_GRAPH_OUTPUT) if self._name(r) not in wanted}
        needed = set(wanted)
        # Nodes are in topological order: backwards, every consumer is seen before its producer.
        for node in reversed(list(self._records(_GRAPH_NODE))):
            if needed.intersection(self._names(node, _NODE_OUTPUT)):
                needed.update(self._inputs(node))
            else:
                dropped.add(node)
        dropped |= {r for r in self._records(_GRAPH_INPUT) if self._name(r) not in needed}
        graph = bytearray()
        position = self._graph.value
        for record in sorted(dropped, key=lambda r: r.start):
            graph += self._data[position : record.start]
            position = record.end
        graph += self._data[position : self._graph.end]
        before, after = self._data[: self._graph.start], self._data[self._graph.end :]
        return bytes(before) + encode(_MODEL_GRAPH, bytes(graph)) + bytes(after)

    def _records(self, number: int) -> Iterator[Record]:
        for record in records(self._data, self._graph.value, self._graph.end):
            if record.number == number:
                yield record

    def _names(self, message: Record, number: int) -> Iterator[str]:
        for record in records(self._data, message.value, message.end):
            if record.number == number:
                yield text(self._data, record)

    def _name(self, value_info: Record) -> str:
        return next(self._names(value_info, _VALUE_NAME), '')

    def _inputs(self, node: Record) -> Iterator[str]:
        """Iterate over what a node reads, inside its branches and loops too."""
        yield from self._names(node, _NODE_INPUT)
        for attribute in records(self._data, node.value, node.end):
            if attribute.number != 5:
                continue
            for body in records(self._data, attribute.value, attribute.end):
                if body.number not in (6, 11):
                    continue
                for record in records(self._data, body.value, body.end):
                    if record.number == _GRAPH_NODE:
                        yield from self._inputs(record)
                    elif record.number == _GRAPH_OUTPUT:
                        yield self._name(record)

    def _external(self, kind: str, start: int, end: int, depth: int) -> Iterator[str]:
        if depth > _MAX_DEPTH:
            raise MalformedError
        if kind == 'entry':
            parts = {r.number: text(self._data, r) for r in records(self._data, start, end)}
            if parts.get(1) == 'location':
                yield parts.get(2, '')
            return
        inner = _MESSAGES[kind]
        for record in records(self._data, start, end):
            if record.number in inner:
                message = inner[record.number]
                yield from self._external(message, record.value, record.end, depth + 1)
