# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What mixing one training crop costs: mixers, and style aligners of AnomalyMix, in turn.

    python bench/proxies_benchmark.py [--crop 512x512] [--rounds 40] [--adain FILE] [--json F]

Scenes and objects are drawn by this package, so that nothing has to be there. All take turns on
one thread with the same scene and equal draws; processor times, the median of all rounds, and
as multiples of pasting without an aligner.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import SceneConfig
from anomaly_seg_ros.synthetic.clip import StreetClip
from anomaly_seg_training.alignment import ALIGNERS, TRAINED, create_aligner
from anomaly_seg_training.proxies import MIXERS, Mixer, create_mixer, drawn_objects

OBJECTS = 48


def make_mixers(adain: Path | None) -> dict[str, Mixer]:
    """Return all mixers without an aligner, then AnomalyMix with each aligner."""
    objects = drawn_objects(OBJECTS)
    always = {'probability': 1.0}
    found: dict[str, Mixer] = {
        name: create_mixer(name, objects, always) for name in MIXERS.names()
    }
    for name in ALIGNERS.names():
        options = {}
        if name in TRAINED:
            if name != 'adain' or adain is None:
                continue
            options = {'weights': str(adain)}
        found[f'anomaly_mix, {name}'] = create_mixer(
            'anomaly_mix', objects, always, create_aligner(name, options)
        )
    found['anomaly_mix, moved pieces'] = create_mixer(
        'anomaly_mix', objects, {'probability': 0.0, 'moved': 1.0}
    )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--crop', type=Size.parse, default=Size(512, 512))
    parser.add_argument('--rounds', type=int, default=40)
    parser.add_argument('--adain', type=Path, metavar='FILE', help='weights of that aligner')
    parser.add_argument('--json', type=Path, metavar='F')
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    frame = StreetClip(SceneConfig(size=options.crop, seed=3, frames=1))[0]
    mixers = make_mixers(options.adain)
    times: dict[str, list[float]] = {name: [] for name in mixers}
    for number in range(-2, options.rounds):
        for name, mixer in mixers.items():
            rng = np.random.default_rng(max(number, 0))
            begin = time.thread_time()
            mixer(frame.image, frame.labels, rng)
            if number >= 0:
                times[name].append(1000 * (time.thread_time() - begin))
    plain = statistics.median(times['anomaly_mix'])
    result = {
        'provenance': provenance(),
        'crop': str(options.crop),
        'rounds': options.rounds,
        'milliseconds': {name: round(statistics.median(t), 3) for name, t in times.items()},
        'over_anomaly_mix': {n: round(statistics.median(t) / plain, 2) for n, t in times.items()},
    }
    for name, value in result['milliseconds'].items():
        print(f'{name:28} {value:8.2f} ms {result["over_anomaly_mix"][name]:6.2f}')
    if options.json is not None:
        write_json(options.json, result)


if __name__ == '__main__':
    main()
