# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS parameters from frozen dataclasses: one table gives names, defaults, ranges and checks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

from anomaly_seg_ros.errors import AnomalySegError

T = TypeVar('T')

LIVE, ON_ACTIVATE, ON_CONFIGURE, AT_START = 'live', 'on activate', 'on configure', 'at start'

_NEEDS = {
    ON_ACTIVATE: 'it is read when the node is activated: deactivate the node first',
    ON_CONFIGURE: 'it is read when the node is configured: deactivate and clean up the node first',
}
_LOCKED = {
    'unconfigured': frozenset[str](),
    'inactive': frozenset({ON_CONFIGURE}),
    'active': frozenset({ON_CONFIGURE, ON_ACTIVATE}),
}


def option(
    default: Any,
    description: str,
    *,
    used: str = LIVE,
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    constraints: str = '',
    parse: Callable[[Any], object] | None = None,
) -> Any:
    """Return a dataclass field that is also a ROS parameter.

    Args:
        default: The default value; its type is the parameter's.
        description: One sentence for ``ros2 param describe``.
        used: When the value is read: `LIVE`, `ON_ACTIVATE`, `ON_CONFIGURE` or `AT_START` (read
            only).
        choices: The texts allowed, for texts.
        low: The least value allowed, for numbers.
        high: The greatest value allowed, for numbers; both or neither.
        constraints: Limits that a range cannot tell, in words.
        parse: Raises an `AnomalySegError` for values that are not allowed.
    """
    metadata = {
        'description': description,
        'used': used,
        'choices': choices,
        'range': None if low is None or high is None else (low, high),
        'constraints': constraints,
        'parse': parse,
    }
    return dataclasses.field(default=default, metadata=metadata)


def descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    """Return the description that ROS tools show, with range and read-only flag."""
    data = field.metadata
    choices = f'one of: {", ".join(data["choices"])}' if data['choices'] else ''
    result = ParameterDescriptor(
        name=field.name,
        description=f'{data["description"]} (read {data["used"]})',
        additional_constraints=data['constraints'] or choices,
        read_only=data['used'] == AT_START,
        # A user who writes 1 for a fraction means 1.0; a static type would refuse it.
        dynamic_typing=isinstance(field.default, float),
    )
    if data['range'] is not None:
        low, high = data['range']
        if isinstance(field.default, float):
            result.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            result.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return result


def check(field: dataclasses.Field[Any], value: Any) -> str:
    """Return what is wrong with a parameter's value, or nothing."""
    name, data = field.name, field.metadata
    if isinstance(field.default, float):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number:
            return f'{name}: received {value!r}, expected a number'
        # Not-a-number is the one special value, and only where it is the default.
        special = math.isinf(value) or (math.isnan(value) and not math.isnan(field.default))
        if special:
            return f'{name}: received {value}, expected a finite number'
    elif type(value) is not type(field.default):
        expected = type(field.default).__name__
        return f'{name}: received {value!r}, expected a value of the type {expected}'
    if data['choices'] and value not in data['choices']:
        return f'{name}: received {value!r}, expected one of: {", ".join(data["choices"])}'
    if data['range'] is not None and not data['range'][0] <= value <= data['range'][1]:
        low, high = data['range']
        return f'{name}: received {value}, expected a value from {low} to {high}'
    if data['parse'] is not None:
        try:
            data['parse'](value)
        except AnomalySegError as error:
            return f'{name}: {error}'
    return ''


class Parameters(Generic[T]):
    """The parameters of a node as one frozen dataclass that follows every change.

    Args:
        node: The node to declare them on.
        table: A dataclass whose fields are made by `option`.
        changed: Called with the new values after a change took effect.
        state: Returns the life cycle state, for parameters that are not read live.
        accept: Called with the values as they would be, before a change takes effect; returns
            why they do not fit together or with what the node has loaded, '' when they do.

    Raises:
        rclpy.exceptions.ParameterException: A value given at the start is refused.
    """

    def __init__(
        self,
        node: Any,
        table: type[T],
        changed: Callable[[T], None],
        state: Callable[[], str] = lambda: 'unconfigured',
        accept: Callable[[T], str] = lambda _: '',
    ) -> None:
        self._node = node
        self._table = table
        self._changed = changed
        self._state = state
        self._accept = accept
        self._declared = False
        self._fields: Mapping[str, dataclasses.Field[Any]] = {
            field.name: field
            for field in dataclasses.fields(table)  # type: ignore[arg-type]
        }
        node.add_on_set_parameters_callback(self._validate)
        for field in self._fields.values():
            node.declare_parameter(field.name, field.default, descriptor(field))
        self._declared = True
        self.current = self._read()
        # Values are read again after they were stored: the checking callback must have no effect,
        # since another callback can still refuse. Humble lacks the callback for "afterwards", so
        # there a guard condition runs the reader as soon as the executor is free.
        if hasattr(node, 'add_post_set_parameters_callback'):
            node.add_post_set_parameters_callback(self._refresh)
            self._trigger: Callable[[], None] | None = None
        else:
            self._trigger = node.create_guard_condition(self._refresh).trigger

    def _read(self, changes: Mapping[str, Any] = MappingProxyType({})) -> T:
        values = {}
        for name, field in self._fields.items():
            value = changes[name] if name in changes else self._node.get_parameter(name).value
            values[name] = float(value) if isinstance(field.default, float) else value
        return self._table(**values)

    def _validate(self, parameters: Iterable[Any]) -> SetParametersResult:
        changes = {}
        for parameter in parameters:
            field = self._fields.get(parameter.name)
            if field is None:
                continue
            problem = check(field, parameter.value)
            used = field.metadata['used']
            if not problem and used in _LOCKED.get(self._state(), frozenset()):
                problem = f'{parameter.name} cannot be set now: {_NEEDS[used]}'
            if problem:
                return SetParametersResult(successful=False, reason=problem)
            changes[parameter.name] = parameter.value
        if changes and self._declared:
            problem = self._accept(self._read(changes))
            if problem:
                return SetParametersResult(successful=False, reason=problem)
        if getattr(self, '_trigger', None) is not None:
            self._trigger()  # type: ignore[misc]
        return SetParametersResult(successful=True)

    def _refresh(self, *_: Any) -> None:
        self.current = self._read()
        self._changed(self.current)
