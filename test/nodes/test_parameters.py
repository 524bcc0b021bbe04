# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of parameters: its checks, its descriptors, and a node that uses it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip('rclpy')

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters
from anomaly_seg_ros.nodes.parameters import (
    AT_START,
    LIVE,
    ON_ACTIVATE,
    ON_CONFIGURE,
    Parameters,
    check,
    descriptor,
    option,
)

pytestmark = pytest.mark.ros


def _parse(text: str) -> None:
    if text == 'nonsense':
        msg = 'received nonsense, expected sense'
        raise AnomalySegError(msg)


@dataclasses.dataclass(frozen=True)
class Table:
    speed: float = option(1.0, 'How fast it goes', low=0.0, high=10.0)
    words: str = option('', 'What is said', parse=_parse)
    limit: float = option(math.nan, 'Where it ends')
    count: int = option(3, 'How many there are', low=1, high=5)
    kind: str = option('a', 'Which one it is', choices=('a', 'b'), used=ON_ACTIVATE)
    path: str = option('', 'Where it lies', used=ON_CONFIGURE)
    fixed: bool = option(True, 'Whether it stays', used=AT_START)


FIELDS = {field.name: field for field in dataclasses.fields(Table)}


@pytest.mark.parametrize(
    ('name', 'value', 'good'),
    [
        ('speed', 0.0, True), ('speed', 10.0, True), ('speed', 10.1, False),
        ('speed', 5, True), ('speed', True, False), ('speed', 'x', False),
        ('speed', math.nan, False), ('speed', math.inf, False), ('speed', None, False),
        ('limit', math.nan, True), ('limit', -1e30, True), ('limit', math.inf, False),
        ('count', 1, True), ('count', 6, False), ('count', 1.0, False), ('count', True, False),
        ('kind', 'b', True), ('kind', 'c', False), ('kind', 1, False),
        ('words', 'sense', True), ('words', 'nonsense', False),
        ('path', '/x', True), ('path', 3, False),
        ('fixed', False, True), ('fixed', 1, False),
    ],
)  # fmt: skip
def test_values_are_checked(name: str, value: Any, good: bool) -> None:
    problem = check(FIELDS[name], value)
    assert (problem == '') is good
    if not good:
        assert problem.startswith(f'{name}: received ')
        assert 'expected' in problem


def test_descriptors_tell_all_that_tools_can_show() -> None:
    speed, count = descriptor(FIELDS['speed']), descriptor(FIELDS['count'])
    assert (speed.description, speed.dynamic_typing) == (f'How fast it goes (read {LIVE})', True)
    assert speed.floating_point_range[0].to_value == 10.0
    assert (count.integer_range[0].from_value, count.integer_range[0].to_value) == (1, 5)
    assert count.integer_range[0].step == 1
    assert descriptor(FIELDS['kind']).additional_constraints == 'one of: a, b'
    assert [name for name in FIELDS if descriptor(FIELDS[name]).read_only] == ['fixed']


def test_every_default_of_the_detector_is_allowed() -> None:
    for field in dataclasses.fields(DetectorParameters):
        assert check(field, field.default) == '', field.name
        assert len(field.metadata['description']) > 20


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    made = Node('parameters', start_parameter_services=False)
    yield made
    made.destroy_node()


def test_values_follow_and_the_state_locks(node: Node) -> None:
    seen: list[Table] = []
    state = 'unconfigured'
    parameters = Parameters(node, Table, seen.append, lambda: state)
    assert parameters.current.speed == 1.0
    for state, settable in (
        ('unconfigured', {'speed', 'kind', 'path'}),
        ('inactive', {'speed', 'kind'}),
        ('active', {'speed'}),
    ):
        for name, value in (('speed', 2.0), ('kind', 'b'), ('path', state)):
            result = node.set_parameters([Parameter(name, value=value)])[0]
            assert result.successful is (name in settable), (state, name, result.reason)
    assert parameters.current == dataclasses.replace(
        parameters.current, speed=2.0, kind='b', path='unconfigured'
    )
    assert seen[-1] is parameters.current


def test_a_change_that_another_callback_refuses_has_no_effect(node: Node) -> None:
    seen: list[Table] = []
    parameters = Parameters(node, Table, seen.append)

    def refuse(_: Any) -> SetParametersResult:
        return SetParametersResult(successful=False, reason='no')

    node.add_on_set_parameters_callback(refuse)
    assert not node.set_parameters([Parameter('speed', value=2.0)])[0].successful
    assert parameters.current.speed == 1.0
    assert seen == []


def test_parameters_set_together_change_together_or_not_at_all(node: Node) -> None:
    seen: list[Table] = []
    parameters = Parameters(node, Table, seen.append)
    good, bad = Parameter('speed', value=3.0), Parameter('kind', value='z')
    assert not node.set_parameters_atomically([good, bad]).successful
    assert parameters.current.speed == 1.0
    assert node.set_parameters_atomically([good, Parameter('kind', value='b')]).successful
    assert (parameters.current.speed, parameters.current.kind) == (3.0, 'b')
    assert len(seen) == 1


def test_values_that_do_not_fit_together_are_refused(node: Node) -> None:
    asked: list[Table] = []

    def accept(table: Table) -> str:
        asked.append(table)
        return 'too much' if table.speed * table.count > 10 else ''

    parameters = Parameters(node, Table, lambda _: None, accept=accept)
    assert asked == []
    assert node.set_parameters([Parameter('speed', value=5)])[0].reason == 'too much'
    assert asked[-1].speed == 5.0
    assert parameters.current.speed == 1.0
    # What is set together is judged together.
    pair = [Parameter('speed', value=5.0), Parameter('count', value=2)]
    assert node.set_parameters_atomically(pair).successful
    assert (parameters.current.speed, parameters.current.count) == (5.0, 2)
    # Another node's parameters, such as use_sim_time, are none of its business.
    before = len(asked)
    assert node.set_parameters([Parameter('use_sim_time', value=False)])[0].successful
    assert len(asked) == before
