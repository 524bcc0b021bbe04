# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The street's cross-section: what lies at which distance from the centre line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_seg_ros.synthetic import labels

LANE = 3.5
"""Width of a lane in metres."""


@dataclass(frozen=True)
class Side:
    """One side of the street; distances in metres from the centre line, growing outwards.

    Args:
        sign: -1 for the left side, 1 for the right.
        lanes: Traffic lanes on this side.
        parking: Outer edge of the parking strip; equals the lanes' edge where there is none.
        verge: Outer edge of the grass strip behind the kerb; equals the kerb where there is none.
        walk: Outer edge of the sidewalk.
        front: Where buildings and fences stand; from the walk to here lie front gardens.
    """

    sign: int
    lanes: int
    parking: float
    verge: float
    walk: float
    front: float

    @property
    def lane_edge(self) -> float:
        """Outer edge of the traffic lanes."""
        return self.lanes * LANE

    @property
    def kerb(self) -> float:
        """Outer edge of the carriageway."""
        return self.parking

    def lane_centre(self, lane: int) -> float:
        """Return the signed x of the middle of a lane; lane 0 is the inner one."""
        return self.sign * (lane + 0.5) * LANE

    def zones(self) -> tuple[tuple[float, int], ...]:
        """Return (outer edge, class) from the centre line outwards."""
        return (
            (self.kerb, labels.ROAD),
            (self.kerb + 0.15, labels.SIDEWALK),
            (self.verge, labels.TERRAIN),
            (self.walk, labels.SIDEWALK),
            (1e6, labels.TERRAIN),
        )


@dataclass(frozen=True)
class Street:
    """Both sides of a street."""

    left: Side
    right: Side

    @classmethod
    def choose(cls, rng: np.random.Generator) -> Street:
        """Choose a cross-section."""
        return cls(_side(rng, -1), _side(rng, 1))

    @property
    def sides(self) -> tuple[Side, Side]:
        """Left, right."""
        return (self.left, self.right)


def _side(rng: np.random.Generator, sign: int) -> Side:
    lanes = int(rng.choice((1, 2), p=(0.65, 0.35)))
    parking = lanes * LANE + float(rng.choice((0.3, 2.3), p=(0.4, 0.6)))
    verge = parking + 0.15 + float(rng.choice((0.0, 1.0), p=(0.5, 0.5)) * rng.uniform(1, 2.5))
    walk = verge + float(rng.uniform(1.8, 4))
    front = walk + float(rng.choice((0.0, 1.0), p=(0.5, 0.5)) * rng.uniform(1.5, 5))
    return Side(sign, lanes, parking, verge, walk, front)
