# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether calibrated thresholds keep their promise on held-out frames, in 200 resampled trials.

    python bench/calibration_benchmark.py [--pool synthetic] [--pool camvid=FOLDER] [--json F]

A pool of normal frames is run once through the detector of a bundle. The first frames of a random
order give class statistics, ranges and candidate thresholds; in every trial some of the others,
drawn at random, give a threshold, exactly as `anomaly-seg calibrate` finds it, and the rest is
held out: the false-positive rate measured there is compared with the promised one. Of each frame
only the shares of its pixels above the candidates and its largest score are kept, and stored in
`--cache`, so that a run that was interrupted goes on.

Pools: ``synthetic`` (one frame each of many generated streets without unknown objects) or
NAME=PATH of anything that `anomaly-seg calibrate` reads.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.calibration import Promise, least_frames
from anomaly_seg_ros.calibration.candidates import ScoreSurvey
from anomaly_seg_ros.calibration.config import EXPECTATION
from anomaly_seg_ros.calibration.shares import alarm_level, mask_shares
from anomaly_seg_ros.calibration.thresholds import FrameThresholds, PixelThresholds
from anomaly_seg_ros.cleanup import CleanupConfig
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.files import sha256_file, write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.refinement.names import needs_statistics
from anomaly_seg_ros.refinement.statistics import ClassStatistics
from anomaly_seg_ros.sources import open_source
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip

PROMISES = (
    Promise(0.001),
    Promise(0.01),
    Promise(0.001, guarantee='expectation'),
    Promise(0.01, guarantee='expectation'),
    Promise(0.1, 'frame'),
    Promise(0.1, 'frame', confidence=0.98),
    Promise(0.1, 'frame', 'expectation'),
)
SURVEY = 40
COLUMNS = ('level', 'guarantee', 'promised', 'frames', 'held out', 'within', 'mean', 'largest')
PLAIN, ANY_RANGE = CleanupConfig(), (0.0, 1.0)
Image = NDArray[np.uint8]


def images(pool: str, frames: int) -> Iterator[Image]:
    """Yield the frames of a pool, in a random order that is always the same."""
    rng = np.random.default_rng(0)
    if pool == 'synthetic':
        for seed in range(frames):
            config = SceneConfig(seed=10_000 + seed, frames=40, unknown_objects=0)
            yield StreetClip(config)[int(rng.integers(40))].image
        return
    source = open_source(pool.split('=', 1)[1])
    available = source.expected or sum(1 for _ in source)
    step = max(available // frames, 1)
    chosen = [frame.image for frame in islice(source, 0, None, step)]
    for index in rng.permutation(len(chosen))[:frames]:
        yield chosen[index]


class Pool:
    """Shares and levels of all frames of a pool, by output.

    Args:
        shares: (N, G) by output, see `mask_shares`.
        levels: (N,) by output, see `alarm_level`.
        candidates: (G,) by output.
    """

    def __init__(
        self,
        shares: dict[str, NDArray[np.float32]],
        levels: dict[str, NDArray[np.float32]],
        candidates: dict[str, NDArray[np.float32]],
    ) -> None:
        self.shares, self.levels, self.candidates = shares, levels, candidates

    @classmethod
    def run(cls, bundle: Bundle, pool: str, outputs: Sequence[str], args: Any) -> Pool:
        """Run all frames through the detector, or read what was kept of them."""
        key = f'{_name(pool)}-{args.frames}-{bundle.card.name}'
        if bundle.card.graph is not None:
            key += f'-{sha256_file(bundle.file("graph"))[:8]}'
        path = args.cache / f'{key}.npz'
        if path.exists():
            kept = np.load(path)
            tables = [
                {k.split('|')[1]: kept[k] for k in kept.files if k.startswith(f'{kind}|')}
                for kind in ('shares', 'levels', 'candidates')
            ]
            return cls(*tables)
        made = cls._made(bundle, pool, outputs, args)
        args.cache.mkdir(parents=True, exist_ok=True)
        content = {
            f'{kind}|{name}': values
            for kind in ('shares', 'levels', 'candidates')
            for name, values in getattr(made, kind).items()
        }
        np.savez_compressed(path, **content)
        return made

    @classmethod
    def _made(cls, bundle: Bundle, pool: str, outputs: Sequence[str], args: Any) -> Pool:
        frames = images(pool, args.frames)
        first = list(islice(frames, SURVEY))
        card, size = bundle.card, bundle.card.input_size
        engine = load_engine(args.engine, bundle, threads=args.threads)
        if any(needs_statistics(name) for name in outputs):
            tables = {score: ClassStatistics(len(card.classes)) for score in card.scores}
            for image in tqdm(first, desc=f'{pool}: statistics'):
                small = np.asarray(cv2.resize(image, size), np.uint8)[np.newaxis]
                maps = engine.run(small, ('labels', *card.scores))
                for score, table in tables.items():
                    table.update(maps[score][0], maps['labels'][0])
            engine.close()
            statistics = {score: table.to_json() for score, table in tables.items()}
            fresh = Bundle(bundle.path, replace(card, statistics=statistics))
            engine = load_engine(args.engine, fresh, threads=args.threads)
        surveys = {name: ScoreSurvey(name) for name in outputs}
        for image in tqdm(first, desc=f'{pool}: survey'):
            maps = engine.run(image[np.newaxis], outputs)
            for name, survey in surveys.items():
                survey.update(maps[name][0])
        rate = min(p.rate for p in PROMISES if p.level == 'pixel')
        candidates = {name: survey.candidates(rate) for name, survey in surveys.items()}
        shares: dict[str, list[NDArray[np.float32]]] = {name: [] for name in outputs}
        levels: dict[str, list[float]] = {name: [] for name in outputs}
        for image in tqdm(frames, desc=pool, total=args.frames - SURVEY):
            maps = engine.run(image[np.newaxis], outputs)
            for name in outputs:
                score = maps[name][0]
                shares[name].append(mask_shares(score, candidates[name]).astype(np.float32))
                levels[name].append(alarm_level(score, PLAIN, ANY_RANGE))
        return cls(
            {name: np.array(rows, np.float32) for name, rows in shares.items()},
            {name: np.array(values, np.float32) for name, values in levels.items()},
            candidates,
        )


def trials(pool: Pool, output: str, promise: Promise, frames: int, count: int) -> dict[str, Any]:
    """Return what the held-out frames of resampled trials say about a promise."""
    shares, levels = pool.shares[output].astype(np.float64), pool.levels[output]
    candidates = pool.candidates[output]
    rng = np.random.default_rng(1)
    rates = []
    limit = None
    for _ in range(count):
        order = rng.permutation(len(levels))
        own, held_out = order[:frames], order[frames:]
        if promise.level == 'frame':
            alarms = FrameThresholds(promise, PLAIN, ANY_RANGE)
            for level in levels[own].tolist():
                alarms.update_level(level)
            result = alarms.result()
            rates.append(float(np.mean(levels[held_out] > np.float32(result.threshold))))
        else:
            pixels = PixelThresholds(promise, candidates, frames, PLAIN, ANY_RANGE)
            for row in shares[own]:
                pixels.update_shares(row)
            result = pixels.result()
            place = int(np.searchsorted(candidates, np.float32(result.threshold)))
            rates.append(float(np.mean(shares[held_out, place])))
        limit = result.frame_limit
    values = np.array(rates)
    return {
        'output': output,
        'level': promise.level,
        'guarantee': guarantee(promise),
        'promised': promise.rate,
        'frames': frames,
        'held_out': len(levels) - frames,
        'frame_limit': limit,
        'within': float(np.mean(values <= promise.rate)),
        'mean': float(values.mean()),
        'median': float(np.median(values)),
        'largest': float(values.max()),
    }


def _name(pool: str) -> str:
    return pool.partition('=')[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--pool', action='append', help='synthetic, or NAME=PATH; repeatable')
    parser.add_argument('--bundle', default='default')
    parser.add_argument('--output', action='append', help="of the bundle (default: its own's)")
    parser.add_argument('--engine', default='auto')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--frames', type=int, default=240, help='of each pool')
    parser.add_argument('--sample', type=int, action='append', help='calibration frames')
    parser.add_argument('--trials', type=int, default=200)
    parser.add_argument('--cache', type=Path, default=Path('out/calibration_benchmark'))
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    begin = time.perf_counter()
    bundle = Bundle.open(args.bundle)
    outputs = tuple(args.output or [bundle.card.output])
    pools: dict[str, Any] = {}
    for name in args.pool or ['synthetic']:
        pool = Pool.run(bundle, name, outputs, args)
        rows = pools[_name(name)] = []
        for output in outputs:
            for promise in PROMISES:
                rows.extend(
                    trials(pool, output, promise, frames, args.trials)
                    for frames in args.sample or (50, 100)
                    if least_frames(promise) <= frames < len(pool.levels[output])
                )
        print_rows(name, rows)
    if args.json:
        content = {
            'bundle': bundle.card.name,
            'trials': args.trials,
            'pools': pools,
            'seconds': time.perf_counter() - begin,
            'provenance': provenance(arguments),
        }
        write_json(args.json, content)
        args.json.with_suffix('.md').write_text(markdown(content), 'utf-8')
    return 0


def markdown(content: dict[str, Any]) -> str:
    """Return the stored content as a page."""
    origin = content['provenance']
    lines = [
        '# Calibrated thresholds in resampled trials',
        '',
        f'Bundle {content["bundle"]}, {content["trials"]} trials of each row: a threshold from so',
        'many frames drawn at random was held against the others. Within: share of the trials in',
        'which the false-positive rate measured there stayed within the promised one.',
        '',
        f'`{origin["command"]}`, commit {str(origin["git"]["commit"])[:12]}',
    ]
    for pool, rows in content['pools'].items():
        lines += [
            '',
            f'## {pool}',
            '',
            f'| output | {" | ".join(COLUMNS)} |',
            '|---|---|---|---|---|---|---|---|---|',
        ]
        lines += [
            f'| {row["output"]} | {row["level"]} | {row["guarantee"]} | {row["promised"]:g} '
            f'| {row["frames"]} | {row["held_out"]} | {row["within"]:.3f} | {row["mean"]:.2g} '
            f'| {row["largest"]:.2g} |'
            for row in rows
        ]
    return '\n'.join(lines) + '\n'


def guarantee(promise: Promise) -> str:
    """Return what a promise guarantees, for a table."""
    if promise.guarantee == EXPECTATION:
        return promise.guarantee
    return f'{promise.guarantee} {promise.confidence:g}'


def print_rows(pool: str, rows: list[dict[str, Any]]) -> None:
    """Print one line per promise."""
    print(f'\n{pool}: share of trials within the promised rate')
    print(
        f'{"output":<28}{"level":>6}{"guarantee":>18}{"promised":>10}{"frames":>8}'
        f'{"held out":>9}{"within":>8}{"mean":>9}{"largest":>9}'
    )
    for row in rows:
        print(
            f'{row["output"]:<28}{row["level"]:>6}{row["guarantee"]:>18}{row["promised"]:>10g}'
            f'{row["frames"]:>8}{row["held_out"]:>9}{row["within"]:>8.3f}{row["mean"]:>9.2g}'
            f'{row["largest"]:>9.2g}'
        )


if __name__ == '__main__':
    sys.exit(main())
