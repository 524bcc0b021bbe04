# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a synthetic street scene is made of, checked before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.size import Size

UNKNOWN_KINDS = (
    'crate', 'barrel', 'tyre', 'cone', 'sack', 'pallet', 'animal', 'blob', 'shard', 'furniture',
    'ball', 'suitcase',
)  # fmt: skip
"""Families of unknown objects; each instance has its own shape, colours and texture."""

WEATHERS = ('clear', 'cloudy', 'haze', 'rain')
LIGHTS = ('noon', 'evening', 'overcast', 'dusk')
ANY = 'any'

SMALLEST = Size(64, 32)
LARGEST = Size(8192, 8192)


class SceneError(AnomalySegError):
    """A scene configuration cannot be drawn."""


@dataclass(frozen=True)
class SceneConfig:
    """One synthetic clip; equal configurations give equal bytes.

    Args:
        size: Image size, from 64x32 to 8192x8192.
        seed: Chooses the street, its objects and every random detail, 0 or more.
        frames: Frames in the clip, 1 to 20000.
        fps: Frames per second, above 0 and at most 240.
        unknown_objects: Objects of no known class in the clip, 0 to 200.
        unknown_kinds: Families to draw them from, a subset of `UNKNOWN_KINDS`.
        traffic: Density of vehicles, 0 (none) to 3; 1 is an ordinary street.
        people: Density of people and riders, 0 (none) to 3.
        speed: Camera speed in m/s, 0 to 60; None lets the seed choose 5 to 13.
        weather: One of `WEATHERS`, or 'any' to let the seed choose.
        light: One of `LIGHTS`, or 'any' to let the seed choose.
        noise: Standard deviation of the sensor noise in 8-bit levels, 0 to 60.
        blur: Standard deviation of the lens blur in pixels of a 1024 pixel wide image, 0 to 20.
        motion_blur: Exposure time as a share of the frame interval, 0 to 1.
        vignette: Darkening of the corners, 0 (none) to 1 (black).
        jpeg_quality: 1 to 100 to pass each image through JPEG; None leaves it as it is.

    Raises:
        SceneError: A value has another type or lies outside its range.
    """

    size: Size = Size(1024, 512)
    seed: int = 0
    frames: int = 100
    fps: float = 10.0
    unknown_objects: int = 6
    unknown_kinds: tuple[str, ...] = UNKNOWN_KINDS
    traffic: float = 1.0
    people: float = 1.0
    speed: float | None = None
    weather: str = ANY
    light: str = ANY
    noise: float = 2.0
    blur: float = 0.6
    motion_blur: float = 0.1
    vignette: float = 0.2
    jpeg_quality: int | None = None

    def __post_init__(self) -> None:
        """Check every field, so that drawing cannot fail on a user's value."""
        width, height = _integers('size', self.size, 2)
        if not (
            SMALLEST.width <= width <= LARGEST.width
            and SMALLEST.height <= height <= LARGEST.height
        ):
            msg = f'received the size {width}x{height}, expected {SMALLEST} to {LARGEST}'
            raise SceneError(msg)
        object.__setattr__(self, 'size', Size(width, height))
        _check_integer('seed', self.seed, 0, 2**63 - 1)
        _check_integer('frames', self.frames, 1, 20000)
        _check_integer('unknown_objects', self.unknown_objects, 0, 200)
        _check_number('fps', self.fps, 1e-3, 240)
        _check_number('traffic', self.traffic, 0, 3)
        _check_number('people', self.people, 0, 3)
        _check_number('noise', self.noise, 0, 60)
        _check_number('blur', self.blur, 0, 20)
        _check_number('motion_blur', self.motion_blur, 0, 1)
        _check_number('vignette', self.vignette, 0, 1)
        if self.speed is not None:
            _check_number('speed', self.speed, 0, 60)
        if self.jpeg_quality is not None:
            _check_integer('jpeg_quality', self.jpeg_quality, 1, 100)
        _check_choice('weather', self.weather, (*WEATHERS, ANY))
        _check_choice('light', self.light, (*LIGHTS, ANY))
        if isinstance(self.unknown_kinds, str) or not self.unknown_kinds:
            msg = (
                f'received unknown_kinds {self.unknown_kinds!r}, expected one or more of '
                f'{", ".join(UNKNOWN_KINDS)} in a tuple'
            )
            raise SceneError(msg)
        for kind in self.unknown_kinds:
            _check_choice('unknown_kinds', kind, UNKNOWN_KINDS)
        object.__setattr__(self, 'unknown_kinds', tuple(self.unknown_kinds))


def _integers(name: str, value: object, count: int) -> tuple[int, ...]:
    if (
        isinstance(value, (tuple, list))
        and len(value) == count
        and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
    ):
        return tuple(value)
    msg = f'received the {name} {value!r}, expected (width, height) in whole pixels'
    raise SceneError(msg)


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        msg = f'received {name} {value!r}, expected a whole number from {low} to {high}'
        raise SceneError(msg)


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if (
        not isinstance(value, (int, float))
        or isinstance(value, bool)
        or not math.isfinite(value)
        or not low <= value <= high
    ):
        msg = f'received {name} {value!r}, expected a number from {low:g} to {high:g}'
        raise SceneError(msg)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f'received {name} {value!r}, expected one of {", ".join(choices)}'
        raise SceneError(msg)
