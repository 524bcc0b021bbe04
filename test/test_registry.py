# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names lead to components, and a wrong name to the list of right ones."""

from __future__ import annotations

import pytest

from anomaly_seg_ros.registry import Registry


def test_a_registered_component_is_found_and_the_decorator_returns_it() -> None:
    registry: Registry[type] = Registry('shape')

    @registry.register('circle')
    class Circle:
        pass

    assert registry.get('circle') is Circle
    assert 'circle' in registry
    assert 'square' not in registry


def test_names_keep_the_order_of_registration() -> None:
    registry: Registry[int] = Registry('number')
    for name, value in (('b', 1), ('a', 2), ('c', 3)):
        registry.register(name)(value)
    assert registry.names() == list(registry) == ['b', 'a', 'c']


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    registry: Registry[int] = Registry('number')
    registry.register('one')(1)
    registry.register('two')(2)
    with pytest.raises(KeyError, match=r"unknown number 'three'; choose one of: one, two"):
        registry.get('three')


def test_a_second_component_of_one_name_is_refused() -> None:
    registry: Registry[int] = Registry('number')
    registry.register('one')(1)
    with pytest.raises(ValueError, match="'one' is registered twice"):
        registry.register('one')(2)
    assert registry.get('one') == 1
