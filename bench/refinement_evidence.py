# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why refinements help or harm: sizes of objects, regions of VDE, shifts, sources of statistics.

    python bench/refinement_evidence.py --data DATA --checkpoint erfnet.pth --work WORK

Reads the maps that `anomaly-seg-lab tables refinements` keeps in its work folder, or makes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.bundle import Preprocessing
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.files import atomic_path, write_json
from anomaly_seg_ros.fusion import ScoreSketch
from anomaly_seg_ros.metrics import AnomalyMetrics
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.refinement import REFINEMENTS_DEFAULT, output_name
from anomaly_seg_ros.refinement.vde import VdeConfig, vde_region
from anomaly_seg_training.data import anomaly, pasted
from anomaly_seg_training.maps import PLAIN
from anomaly_seg_training.refinement_table import STATISTICS, Network, Setting, Table, TableConfig
from anomaly_seg_training.refining import Refiner
from anomaly_seg_training.resizing import (
    fit_image,
    fit_labels,
    resize_image,
    resize_labels,
)  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent
SCORE = 'max_logit'
SMOOTH, VDE = REFINEMENTS_DEFAULT[-2:]
SIDES = (8, 16, 32, 64)
"""Shorter sides of objects, in pixels, between which they are told apart."""
FALSE_ALARMS = 0.05
SETTINGS = {
    'no VDE': VdeConfig(0.0, 0.0, 0.0, 0.0),
    'raise holes': VdeConfig(1.0, 2.0, 0.0, 0.0),
    'raise holes, lower road': VdeConfig(1.0, 2.0, 0.5, 0.0),
    'lower outside': VdeConfig(1.0, 0.0, 0.0, 1.0),
    'raise holes, lower road and outside': VdeConfig(1.0, 2.0, 0.5, 1.0),
}
SOURCES = (('cityscapes',), ('camvid',), ('dashcam',), ('cityscapes', 'camvid'),
           ('cityscapes', 'dashcam'), STATISTICS)  # fmt: skip


class Evidence:
    """Collects, image by image, what the table's figures hide."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.outputs = [output_name(SCORE, r) for r in REFINEMENTS_DEFAULT]
        self.normal = {output: ScoreSketch() for output in self.outputs}
        self.objects: dict[str, list[list[NDArray[np.float32]]]] = {
            output: [[] for _ in range(len(SIDES) + 1)] for output in self.outputs
        }
        self.regions = np.zeros((2, 3), np.int64)
        self.vde = {name: AnomalyMetrics() for name in SETTINGS}
        self.shift = np.zeros((len(CITYSCAPES), 3))
        self.refiners = {
            name: Refiner((SCORE,), (VDE,), setting.statistics, CITYSCAPES, config)
            for name, config in SETTINGS.items()
        }
        self.refiner = Refiner((SCORE,), REFINEMENTS_DEFAULT, setting.statistics, CITYSCAPES)

    def add(self, maps: dict[str, NDArray[Any]], target: NDArray[np.uint8]) -> None:
        """Add one image."""
        refined = self.refiner.refine(maps)
        sides = _sides(target)
        for output in self.outputs:
            self.normal[output].update(refined[output][target == 0])
            for bucket, parts in enumerate(self.objects[output]):
                parts.append(refined[output][sides == bucket])
        labels = torch.from_numpy(maps['labels'])[None]
        smooth = torch.from_numpy(refined[output_name(SCORE, SMOOTH)])[None]
        road, region = vde_region(smooth, labels, CITYSCAPES.drivable, VdeConfig().road_threshold)
        where = np.where(road[0].numpy(), 0, np.where(region[0].numpy(), 1, 2))
        for kind in (0, 1):
            self.regions[kind] += np.bincount(where[target == kind], minlength=3)
        for name, metrics in self.vde.items():
            metrics.update(self.refiners[name].refine(maps)[output_name(SCORE, VDE)], target)
        z = refined[output_name(SCORE, 'sml')]
        for label in range(len(CITYSCAPES)):
            values = z[(maps['labels'] == label) & (target == 0)].astype(np.float64)
            self.shift[label] += (values.size, values.sum(), (values**2).sum())

    def content(self) -> dict[str, Any]:
        """Return everything for JSON."""
        names = [f'below {side}' for side in SIDES] + [f'{SIDES[-1]} and more']
        recall: dict[str, dict[str, float | None]] = {name: {} for name in names}
        pixels = dict.fromkeys(names, 0)
        for output in self.outputs:
            edges, survival = self.normal[output].survival()
            threshold = edges[np.argmax(survival <= FALSE_ALARMS)]
            for name, parts in zip(names, self.objects[output], strict=True):
                values = np.concatenate(parts)
                pixels[name] = len(values)
                recall[name][output] = float(np.mean(values >= threshold)) if len(values) else None
        count, total, squares = self.shift.T
        seen = count > 0
        mean = np.divide(total, count, where=seen, out=np.zeros_like(total))
        second = np.divide(squares, count, where=seen, out=np.zeros_like(total))
        spread = np.sqrt(np.maximum(second - mean**2, 0))
        shares = self.regions / np.maximum(self.regions.sum(1, keepdims=True), 1)
        keys = ('true_road', 'hole', 'outside')
        return {
            'recall_at_5_percent_false_alarms_by_shorter_side': recall,
            'anomalous_pixels_by_shorter_side': pixels,
            'vde_regions': {
                kind: dict(zip(keys, row.tolist(), strict=True))
                for kind, row in zip(('normal', 'anomalous'), shares, strict=True)
            },
            'vde_settings': {name: _figures(metrics) for name, metrics in self.vde.items()},
            'standardised_normal_pixels': {
                CITYSCAPES.names[i]: {'share': float(count[i] / count.sum()),
                                      'mean': float(mean[i]), 'std': float(spread[i])}
                for i in np.nonzero(seen)[0]
            },
        }  # fmt: skip


def compare_sources(table: Table, setting: Setting) -> list[dict[str, Any]]:
    """Compare sources of class statistics on objects pasted on Cityscapes val."""
    examples = []
    for example in tqdm(pasted.read(table.data, base='cityscapes/val', split='val2017'),
                        desc='pasted', unit='image', disable=None):  # fmt: skip
        image = fit_image(example.image, setting.size)
        maps = setting.maps.get(f'pasted0/{example.name}', image)
        examples.append((maps, fit_labels(example.target, setting.size)))
    rows = []
    for sources in SOURCES:
        config = replace(table.config, statistics=sources)
        statistics = Setting(table, setting.size, PLAIN, config).statistics
        refiner = Refiner((SCORE,), REFINEMENTS_DEFAULT, statistics, CITYSCAPES)
        metrics = {output: AnomalyMetrics() for output in refiner.outputs}
        for maps, target in examples:
            refined = refiner.refine(maps)
            for output, one in metrics.items():
                one.update(refined[output], target)
        rows.append({'sources': list(sources),
                     'figures': {o: _figures(m) for o, m in metrics.items()}})  # fmt: skip
    return rows


def markdown(content: dict[str, Any]) -> str:
    """Return the content as tables."""
    lines = [
        '# Why refinements help or harm, measured',
        '',
        f'Made by `{content["provenance"]["command"]}`.',
        f'Score {SCORE}; the page [Refinement](../refinement.md) reads it.',
    ]
    for name, one in content['sets'].items():
        recall = one['recall_at_5_percent_false_alarms_by_shorter_side']
        lines += ['', f'## {name}', '',
                  'Recall of anomalous pixels in percent where 5 % of the normal ones are alarms,',
                  'by the shorter side of the object in pixels:', '',
                  f'| side | pixels | {" | ".join(REFINEMENTS_DEFAULT)} |',
                  f'|---|---|{"---|" * len(REFINEMENTS_DEFAULT)}']  # fmt: skip
        for side, values in recall.items():
            texts = ['none' if v is None else f'{100 * v:.1f}' for v in values.values()]
            count = one['anomalous_pixels_by_shorter_side'][side]
            lines.append(f'| {side} | {count} | {" | ".join(texts)} |')
        lines += ['', 'Where VDE sees pixels, in percent:', '',
                  '| pixels | true road | hole | outside |', '|---|---|---|---|']  # fmt: skip
        for kind, shares in one['vde_regions'].items():
            texts = [f'{100 * v:.1f}' for v in shares.values()]
            lines.append(f'| {kind} | {" | ".join(texts)} |')
        lines += ['', 'Settings of VDE, AUROC / AP / FPR95:', '', '| VDE | figures |', '|---|---|']
        lines += [f'| {key} | {_text(f)} |' for key, f in one['vde_settings'].items()]
        lines += ['', 'Standardised score of normal pixels by predicted class; 0 and 1 if they',
                  'were as where the statistics come from:', '',
                  '| class | share of pixels | mean | std |', '|---|---|---|---|']  # fmt: skip
        for key, f in one['standardised_normal_pixels'].items():
            lines.append(f'| {key} | {100 * f["share"]:.2f} | {f["mean"]:.2f} | {f["std"]:.2f} |')
    lines += ['', '## Sources of class statistics', '',
              'Objects of COCO pasted on Cityscapes val, AUROC / AP / FPR95:', '',
              f'| size | sources | {" | ".join(REFINEMENTS_DEFAULT[1:])} |',
              f'|---|---|{"---|" * (len(REFINEMENTS_DEFAULT) - 1)}']  # fmt: skip
    for size, rows in content['sources'].items():
        for row in rows:
            texts = [_text(f) for o, f in row['figures'].items() if o != SCORE]
            lines.append(f'| {size} | {", ".join(row["sources"])} | {" | ".join(texts)} |')
    return '\n'.join(lines) + '\n'


def _sides(target: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for anomalous pixels the bucket of their object's shorter side, -1 elsewhere."""
    _, parts, boxes, _ = cv2.connectedComponentsWithStats((target == 1).astype(np.uint8))
    shorter = np.minimum(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    buckets = np.searchsorted(SIDES, shorter, side='right')
    buckets[0] = -1
    return buckets[parts]


def _figures(metrics: AnomalyMetrics) -> dict[str, Any]:
    result = metrics.compute().as_dict()
    return {key: result[key] for key in ('auroc', 'ap', 'fpr95')}


def _text(figures: dict[str, Any]) -> str:
    return ' / '.join(f'{100 * figures[key]:.2f}' for key in ('auroc', 'ap', 'fpr95'))


def main(arguments: Sequence[str] | None = None) -> None:
    """Collect the evidence and write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--checkpoint', type=Path, required=True)
    parser.add_argument('--work', type=Path, required=True)
    parser.add_argument('--sizes', default='native,1024x512')
    parser.add_argument('--threads', type=int, default=0)
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/results/refinement_evidence.json')
    args = parser.parse_args(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    network = Network('erfnet', {'num_classes': 20, 'known_classes': 19}, args.checkpoint,
                      Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))  # fmt: skip
    table = Table(TableConfig(), network, args.data, args.work)
    content: dict[str, Any] = {'score': SCORE, 'sets': {}, 'sources': {}}
    for resolution in args.sizes.split(','):
        for name in anomaly.MASKS:
            setting = table.setting(table.size(name, resolution), PLAIN)
            evidence = Evidence(setting)
            for example in tqdm(anomaly.read(args.data, name), desc=f'{name} {setting.size}',
                                unit='image', disable=None):  # fmt: skip
                image = resize_image(example.image, setting.size)
                target = resize_labels(example.target, setting.size)
                evidence.add(setting.maps.get(example.name, image), target)
            content['sets'][f'{name} at {setting.size}'] = evidence.content()
        if resolution != 'native':
            content['sources'][resolution] = compare_sources(table, setting)
    content['provenance'] = provenance(seed=0)
    write_json(args.out, content)
    with atomic_path(args.out.with_suffix('.md')) as temporary:
        temporary.write_text(markdown(content), 'utf-8')


if __name__ == '__main__':
    main()
