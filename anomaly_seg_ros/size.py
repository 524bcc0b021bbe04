# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image sizes as users write them: WIDTHxHEIGHT."""

from __future__ import annotations

import re
from typing import NamedTuple

from anomaly_seg_ros.errors import AnomalySegError


class SizeError(AnomalySegError):
    """A text is not a size."""


class Size(NamedTuple):
    """A width and a height in pixels.

    >>> Size.parse('1024x512')
    Size(width=1024, height=512)
    >>> str(Size(1024, 512))
    '1024x512'
    >>> Size(1024, 512).shape
    (512, 1024)
    """

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``WIDTHxHEIGHT``.

        Raises:
            SizeError: The text has another form, or a side is zero.
        """
        match = re.fullmatch(r'([1-9]\d{0,5})[xX]([1-9]\d{0,5})', text.strip())
        if match is None:
            msg = f'received the size {text!r}, expected WIDTHxHEIGHT, for example 1024x512'
            raise SizeError(msg)
        return cls(int(match[1]), int(match[2]))

    @property
    def shape(self) -> tuple[int, int]:
        """The size in NumPy's order: (height, width)."""
        return (self.height, self.width)

    def __str__(self) -> str:
        """Return WIDTHxHEIGHT."""
        return f'{self.width}x{self.height}'
