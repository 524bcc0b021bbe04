# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anomaly figures of real sets from the live topics, beside the same frames without ROS.

    python bench/live_benchmark.py --data DATA --bundle BUNDLE [--sets FS_LostFound_full ...]

Each set becomes a bag with ground truth, the bag goes through player, detector and evaluator in
lock-step, and the same bag goes through the same engine in this process. Both must agree. The
figures and a table go to docs/results/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.files import atomic_path, write_json
from anomaly_seg_ros.metrics import AnomalyMetrics
from anomaly_seg_ros.pipeline import Replay, run_replay
from anomaly_seg_ros.pipeline.progress import ReplayBar
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import SourceOptions, open_source

SETS = {'FS_LostFound_full': 1, 'RoadAnomaly': 2, 'fs_static': 1}
"""Folders of road_anomaly_val and the value that means anomaly in their masks."""
FIGURES = ('auroc', 'ap', 'fpr95')
TOLERANCE = 1e-4
"""0.01 points."""
ROOT = Path(__file__).resolve().parent.parent


def offline(bag: Path, bundle: Bundle, score: str, threads: int) -> dict[str, Any]:
    """Return the figures of a bag's frames without ROS."""
    engine = load_engine('onnxruntime', bundle, device='cpu', threads=threads)
    metrics = AnomalyMetrics()
    source = open_source(bag)
    for frame in tqdm(source, total=source.expected, desc='offline', unit='frame'):
        if frame.anomaly is not None:
            metrics.update(engine.run(frame.image[None], (score,))[score][0], frame.anomaly)
    engine.close()
    return metrics.compute().as_dict()


def live(bag: Path, bundle: Bundle, score: str, threads: int, results: Path) -> dict[str, Any]:
    """Return the figures of the live topics."""
    detector = {'bundle': str(bundle.path.absolute()), 'score': score, 'threads': threads}
    with ReplayBar() as bar:
        return run_replay(
            Replay(
                bag, results, classes=len(bundle.card.classes), detector=detector, own_graph=True
            ),
            bar.played,
        )


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        '| set | frames | lost | AUROC | AP | FPR95 | largest difference to offline |',
        '|---|---|---|---|---|---|---|',
    ]
    for name, result in results.items():
        found = result['live']
        values = ' | '.join(f'{100 * found[key]:.2f}' for key in FIGURES)
        lines.append(
            f'| {name} | {found["frames_out"]} | {found["lost"]} | {values} '
            f'| {100 * result["difference"]:.4f} points |'
        )
    return '\n'.join(lines) + '\n'


def main() -> int:
    """Run the benchmark; return 1 when live and offline figures differ or a frame was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--data', type=Path, required=True, help='folder of road_anomaly_val')
    parser.add_argument('--bundle', required=True)
    parser.add_argument('--score', default='max_logit')
    parser.add_argument('--size', default='1024x512')
    parser.add_argument('--threads', type=int, default=0)
    parser.add_argument('--frames', type=int, help='at most so many of each set')
    parser.add_argument('--sets', nargs='+', choices=tuple(SETS), default=['FS_LostFound_full'])
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'results')
    args = parser.parse_args()
    bundle, size = Bundle.open(args.bundle), Size.parse(args.size)
    results: dict[str, Any] = {}
    for name in args.sets:
        options = SourceOptions(anomaly_value=SETS[name], frames=args.frames)
        with tempfile.TemporaryDirectory() as folder:
            bag = Path(folder, name)
            record(open_source(args.data / name, options), bag, size=size, start=0.0)
            by_topic = live(bag, bundle, args.score, args.threads, Path(folder))
            without = offline(bag, bundle, args.score, args.threads)
        # How fast a busy machine was says nothing about the figures.
        for key in ('rate_hz', 'latency_ms'):
            by_topic.pop(key)
        difference = max(abs(by_topic[key] - without[key]) for key in FIGURES)
        results[name] = {'live': by_topic, 'offline': without, 'difference': difference}
    content = {
        'bundle': bundle.card.name,
        'score': args.score,
        'size': args.size,
        'sets': results,
        'provenance': provenance(),
    }
    write_json(args.out / 'live_benchmark.json', content)
    words = table(results)
    with atomic_path(args.out / 'live_benchmark.md') as temporary:
        temporary.write_text(
            f'Bundle {bundle.card.name}, {args.score}, images resized to {args.size} bilinearly '
            'with half-pixel\ncentres, masks nearest; pooled pixels; made by '
            f'`bench/live_benchmark.py`. Figures in percent.\n\n{words}',
            'utf-8',
        )
    print(words)
    good = all(r['difference'] <= TOLERANCE and not r['live']['lost'] for r in results.values())
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
