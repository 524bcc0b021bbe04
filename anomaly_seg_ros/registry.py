# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Named components: one decorator to add one, one look-up that lists what exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar('T')


class Registry(Generic[T]):
    """A dictionary from names to components of one kind.

    Args:
        kind: What the components are, in the singular, for error messages (``'score'``).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._components: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds a component under `name`.

        Raises:
            ValueError: The name is taken; two components of one name would hide each other.
        """

        def add(component: T) -> T:
            if name in self._components:
                msg = f'the {self.kind} {name!r} is registered twice'
                raise ValueError(msg)
            self._components[name] = component
            return component

        return add

    def get(self, name: str) -> T:
        """Return the component called `name`.

        Raises:
            KeyError: There is none; the message lists the names that exist.
        """
        try:
            return self._components[name]
        except KeyError:
            msg = f'unknown {self.kind} {name!r}; choose one of: {", ".join(self.names())}'
            raise KeyError(msg) from None

    def names(self) -> list[str]:
        """Return all names in the order of registration."""
        return list(self._components)

    def __contains__(self, name: object) -> bool:
        """Tell whether a component of that name exists."""
        return name in self._components

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the order of registration."""
        return iter(self._components)
