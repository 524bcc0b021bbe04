# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crates, tyres, pallets, sacks: objects that this package draws for its own scenes, as proxies.

What falls onto roads is plainer than what people photograph, and seldom in a data set of
photographs.
"""

from __future__ import annotations

import numpy as np

from anomaly_seg_ros.synthetic.config import UNKNOWN_KINDS
from anomaly_seg_ros.synthetic.unknown import unknown
from anomaly_seg_training.proxies.base import Proxy


def drawn_objects(count: int, seed: int = 0) -> list[Proxy]:
    """Draw unknown objects, each kind of `UNKNOWN_KINDS` as often as the others.

    Args:
        count: Objects, 0 or more.
        seed: 0 or more; two seeds share no object.

    Returns:
        Proxies of about 150 pixels; equal arguments give equal proxies.
    """
    proxies = []
    for number in range(count):
        kind = UNKNOWN_KINDS[number % len(UNKNOWN_KINDS)]
        rng = np.random.default_rng((seed, number))
        thing = unknown(kind, int(rng.integers(2**31)), float(rng.uniform(-1, 1)))
        colour, parts = thing.sprite.levels[0]
        mask = (parts > 0).astype(np.uint8)
        if mask.any():
            name = f'drawn/{seed}/{number}'
            proxies.append(Proxy(np.ascontiguousarray(colour[..., :3]), mask, name, kind))
    return proxies
