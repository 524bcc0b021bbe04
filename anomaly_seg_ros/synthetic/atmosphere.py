# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light and air: what happens to a surface's colour on its way to the camera."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from anomaly_seg_ros.synthetic.arrays import (
    Colour,
    Floats,
    Integers,
    Pixels,
    mix,
    scaled,
    to_pixels,
)
from anomaly_seg_ros.synthetic.config import ANY, LIGHTS, WEATHERS, SceneConfig


@dataclass(frozen=True)
class Light:
    """Sun and sky of one time of day, as gains on surface colours."""

    sun: Colour
    ambient: Colour
    zenith: Colour
    horizon: Colour
    elevation: float


_LIGHTS = {
    'noon': Light((0.66, 0.63, 0.56), (0.44, 0.47, 0.53), (70, 120, 190), (190, 208, 226), 55),
    'evening': Light((0.72, 0.56, 0.38), (0.36, 0.37, 0.45), (92, 122, 172), (240, 208, 170), 22),
    'overcast': Light((0.14, 0.14, 0.14), (0.7, 0.72, 0.74), (168, 176, 184), (212, 215, 217), 60),
    'dusk': Light((0.14, 0.11, 0.11), (0.38, 0.40, 0.50), (58, 70, 108), (176, 142, 138), 12),
}  # fmt: skip

_HAZE_LENGTH = {'clear': 900.0, 'cloudy': 600.0, 'haze': 110.0, 'rain': 220.0}


def _sum(first: Colour, second: Colour) -> Colour:
    return (first[0] + second[0], first[1] + second[1], first[2] + second[2])


def _exposed(light: Light, level: float) -> Light:
    """Scale a light as the camera's exposure control would: a grey street comes out alike."""
    sun, ambient = np.asarray(light.sun), np.asarray(light.ambient)
    flat = 0.12 + 0.8 * math.sin(math.radians(light.elevation))
    gain = level / float((ambient + 0.5 * (flat + 0.35) * sun).mean())
    return replace(light, sun=scaled(light.sun, gain), ambient=scaled(light.ambient, gain))


@dataclass(frozen=True)
class Atmosphere:
    """The light and weather of a clip.

    Args:
        light: Sun and sky.
        weather: One of `WEATHERS`.
        sun_side: Where the sun stands: -1 (left) to 1 (right).
        sun_ahead: 1 when the sun stands before the camera, -1 when behind.
        haze: The colour that distance fades to.
        haze_length: Metres over which the haze hides 63 % of an object.
    """

    light: Light
    weather: str
    sun_side: float
    sun_ahead: float
    haze: Colour
    haze_length: float
    _tables: dict[tuple[int, int], Pixels] = field(default_factory=dict, repr=False)

    @classmethod
    def choose(cls, config: SceneConfig, rng: np.random.Generator) -> Atmosphere:
        """Choose what the configuration leaves open."""
        weather = str(rng.choice(WEATHERS, p=(0.4, 0.35, 0.15, 0.1)))
        name = str(rng.choice(LIGHTS, p=(0.4, 0.2, 0.28, 0.12)))
        weather = weather if config.weather == ANY else config.weather
        name = name if config.light == ANY else config.light
        light = _LIGHTS[name]
        if weather in ('rain', 'haze', 'cloudy'):
            dim = {'rain': 0.25, 'haze': 0.35, 'cloudy': 0.75}[weather]
            light = Light(
                scaled(light.sun, dim),
                _sum(light.ambient, scaled(light.sun, 0.45 * (1 - dim))),
                mix(light.zenith, (170, 176, 184), 0.9 * (1 - dim)),
                mix(light.horizon, (208, 210, 212), 0.9 * (1 - dim)),
                light.elevation,
            )
        light = _exposed(light, 0.68 if name == 'dusk' else 0.92)
        angle = float(rng.uniform(0, 2 * math.pi))
        return cls(
            light, weather, math.sin(angle), math.cos(angle), light.horizon, _HAZE_LENGTH[weather]
        )

    @cached_property
    def sun_direction(self) -> Floats:
        """The unit vector towards the sun: x right, y up, z ahead."""
        elevation = math.radians(self.light.elevation)
        flat = math.cos(elevation)
        return np.array(
            [self.sun_side * flat, math.sin(elevation), self.sun_ahead * flat], np.float64
        )

    def gains(self, shade: Floats | float) -> Floats:
        """Return (..., 3) gains for surfaces lit by the share `shade` (0 to 1) of the sun."""
        sun = np.asarray(self.light.sun)
        gains: Floats = np.asarray(self.light.ambient) + np.asarray(shade)[..., None] * sun
        return gains

    def shade_of(self, normals: Floats) -> Floats:
        """Return the share of the sun that surfaces with these unit normals (N, 3) catch."""
        # Surfaces away from the sun still differ a little by their angle, as in real skylight.
        direct = np.maximum(normals @ self.sun_direction, 0)
        skylight: Floats = 0.12 * normals[:, 1] + 0.10 + 0.80 * direct
        return np.clip(skylight, 0, 1)

    def fade(self, depth: Floats | float) -> Floats:
        """Return the share of haze (0 to 1) in front of something at `depth` metres."""
        share: Floats = 1 - np.exp(-np.maximum(np.asarray(depth, float), 0) / self.haze_length)
        return share

    def colours(self, base: Floats, shade: Floats | float, depth: float) -> Floats:
        """Light and fade surface colours (N, 3)."""
        lit = np.minimum(base * self.gains(shade), 255)
        share = float(self.fade(depth))
        result: Floats = lit + (np.asarray(self.haze) - lit) * share
        return result

    def haze_step(self, depth: Floats) -> Integers:
        """Return the haze in front of something as a whole number, the steps of `table`."""
        return np.rint(self.fade(depth) * 64).astype(np.int32)

    def table(self, shade: float, depth: float) -> Pixels:
        """Return the (1, 256, 3) look-up table that lights and fades an image patch."""
        share = 1 - math.exp(-max(depth, 0) / self.haze_length)
        key = (round(shade * 16), round(share * 64))
        table = self._tables.get(key)
        if table is None:
            ramp = np.arange(256)[:, None] * self.gains(key[0] / 16)
            ramp = np.minimum(ramp, 255)
            table = to_pixels(ramp + (np.asarray(self.haze) - ramp) * (key[1] / 64))[None]
            self._tables[key] = table
        return table
