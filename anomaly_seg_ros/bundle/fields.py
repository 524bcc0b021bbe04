# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Strict reading of JSON: every key known, every value of its type and in its range."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from anomaly_seg_ros.bundle.errors import BundleError

_T = TypeVar('_T')

_PLAIN_NAME = re.compile(r'[A-Za-z0-9_][A-Za-z0-9._-]{0,127}')


class Fields:
    """A JSON object that is read key by key.

    Args:
        content: The decoded object.
        where: What it is, for error messages.

    Raises:
        BundleError: `content` is no object.
    """

    def __init__(self, content: Any, where: str) -> None:
        if not isinstance(content, Mapping):
            raise BundleError(f'{where} is {_kind(content)}, expected an object')  # noqa: EM102
        self._content = content
        self._where = where
        self._read: set[str] = set()

    def raw(self, key: str) -> Any:
        """Return a value of any type."""
        self._read.add(key)
        if key not in self._content:
            msg = f'{self._where} has no key {key!r}: export the bundle again'
            raise BundleError(msg)
        return self._content[key]

    def has(self, key: str) -> bool:
        """Tell whether there is such a key; for keys that may be left out."""
        return key in self._content

    def is_null(self, key: str) -> bool:
        """Tell whether a value is null."""
        return self.raw(key) is None

    def keys(self) -> tuple[str, ...]:
        """Return all keys of an object that is used as a table."""
        return tuple(str(key) for key in self._content)

    def text(self, key: str) -> str:
        """Return a string."""
        value = self.raw(key)
        if not isinstance(value, str):
            raise self._error(key, value, 'a text')
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        return self._integer(key, self.raw(key), low, high)

    def number(self, key: str) -> float:
        """Return a finite number."""
        return self._number(key, self.raw(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        values = self._list(key, self.raw(key))
        if not all(isinstance(value, str) for value in values):
            raise self._error(key, values, 'a list of texts')
        return tuple(values)

    def integers(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """Return a list of whole numbers from `low` to `high`."""
        return tuple(self._integer(key, v, low, high) for v in self._list(key, self.raw(key)))

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return a list of `count` finite numbers."""
        values = self._list(key, self.raw(key))
        if len(values) != count:
            raise self._error(key, values, f'{count} numbers')
        return tuple(self._number(key, value) for value in values)

    def colours(self, key: str) -> tuple[tuple[int, int, int], ...]:
        """Return a list of (red, green, blue), each from 0 to 255."""
        colours = []
        for value in self._list(key, self.raw(key)):
            parts = [self._integer(key, part, 0, 255) for part in self._list(key, value)]
            if len(parts) != 3:
                raise self._error(key, value, 'three values per colour')
            colours.append((parts[0], parts[1], parts[2]))
        return tuple(colours)

    def mapping(self, key: str) -> dict[str, Any]:
        """Return an object with free content."""
        value = self.raw(key)
        if not isinstance(value, Mapping):
            raise self._error(key, value, 'an object')
        return dict(value)

    def child(self, key: str) -> Fields:
        """Return an object whose keys are read in turn."""
        return Fields(self.raw(key), f'{self._where}, key {key!r},')

    def optional(self, key: str, read: Callable[[Fields], _T]) -> _T | None:
        """Return what is read of an object, None where the value is null."""
        return None if self.is_null(key) else read(self.child(key))

    def file_name(self, key: str) -> str:
        """Return the name of a file that lies in the bundle's own folder."""
        return plain_name(self.text(key), f'{self._where}, key {key!r},')

    def finish(self) -> None:
        """Refuse keys that nobody read.

        Raises:
            BundleError: There are some.
        """
        unknown = sorted(str(key) for key in self._content if key not in self._read)
        if unknown:
            known = ', '.join(sorted(self._read))
            msg = f'{self._where} has the unknown key {unknown[0]!r}, expected only: {known}'
            raise BundleError(msg)

    def _list(self, key: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self._error(key, value, 'a list')
        return value

    def _integer(self, key: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._error(key, value, f'a whole number from {low} to {high}')
        return value

    def _number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._error(key, value, 'a number')
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self._error(key, value, 'a finite number')
        return number

    def _error(self, key: str, value: Any, expected: str) -> BundleError:
        return BundleError(f'{self._where} has {key!r} = {value!r:.80}, expected {expected}')


def plain_name(name: str, where: str) -> str:
    """Return `name` if it can only mean a file in the folder that it is used in.

    Raises:
        BundleError: It has folders, is hidden or has characters beyond letters, digits, . _ -
    """
    if _PLAIN_NAME.fullmatch(name) is None:
        msg = f'{where} names the file {name!r:.80}, expected a plain file name inside the bundle'
        raise BundleError(msg)
    return name


def _kind(value: Any) -> str:
    names = {list: 'a list', str: 'a text', type(None): 'null', bool: 'a truth value'}
    return names.get(type(value), 'a number')
