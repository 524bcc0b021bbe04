# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pilot's figures as Markdown, from its JSON alone."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from anomaly_seg_training.errors import LabError

_KEYS = ('ap', 'auroc', 'fpr95')
_HEAD = ('AP', 'AUROC', 'FPR95')


def table(content: dict[str, Any]) -> str:
    """Return the tables of a study.

    Args:
        content: As `Study.run` returns it.

    Raises:
        LabError: It is no study's.
    """
    try:
        return '\n'.join(_lines(content)) + '\n'
    except (KeyError, TypeError, AttributeError) as error:
        msg = f'the file holds no pilot study ({error!r}): give the .json of `pilot`'
        raise LabError(msg) from error


def _lines(content: dict[str, Any]) -> list[str]:
    recipe, test = content['recipe'], content['test']
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for entry in content['results']:
        by_arm.setdefault(entry['arm'], []).append(entry)
    seeds = sorted({entry['seed'] for entry in content['results']})
    origin = content.get('provenance') or {}
    git = origin.get('git') or {}
    dirty = ' with changes' if git.get('dirty') else ''
    lines = [
        f'# Pilot study {recipe["name"]}',
        '',
        f'Known classes: {", ".join(content["classes"])}. {test["notes"][-1].capitalize()}.',
        (
            f'Start: {recipe["segmenter"].get("segmenter")}, '
            f'{recipe["segmenter"].get("steps")} steps; fine-tunings: '
            f'{recipe["finetune"].get("steps")} steps; network at {recipe["view"]}.'
        ),
        (
            f'Test: {test["set"]}, one image in {test["every"]} of {test["images"]}; score '
            '1 - max softmax; protocol `caos` (means over images, nothing ignored).'
        ),
        (
            f'Seeds: {", ".join(map(str, seeds)) or "none"}. Percent; mean and, behind ±, '
            'standard deviation over seeds.'
        ),
        '',
        f'`{origin.get("command", "")}`, commit {str(git.get("commit"))[:12]}{dirty}.',
        '',
        f'| arm | unknown | {" | ".join(_HEAD)} | mIoU | seeds |',
        '|---|---|---|---|---|---|---|',
    ]
    for arm, entries in by_arm.items():
        cells = [_over_seeds(entries, key) for key in (*_KEYS, 'miou')]
        lines.append(f'| {arm} | {entries[0]["unknown"]} | {" | ".join(cells)} | {len(entries)} |')
    subsets = [
        entries for entries in by_arm.values() if entries[0]['unknown'] in recipe['subsets']
    ]
    if subsets:
        lines += _selection(recipe, subsets)
    lines += _curves(by_arm)
    return lines


def _selection(recipe: dict[str, Any], subsets: Sequence[list[dict[str, Any]]]) -> list[str]:
    lines = [
        '',
        '## The choice of known classes as unknowns',
        '',
        (
            'Beside the figures by the protocol, those without the pixels of the classes that '
            'were taught as unknown.'
        ),
        '',
        (
            f'| arm | classes | {" | ".join(_HEAD)} | AP of a guess | without: '
            f'{" | without: ".join(_HEAD)} | AP of a guess |'
        ),
        '|---|---|' + '---|' * 8,
    ]
    for entries in subsets:
        rest = [entry['without_taught'] for entry in entries]
        cells = [_over_seeds(entries, key) for key in (*_KEYS, 'random_ap')]
        cells += [_over_seeds(rest, key) for key in (*_KEYS, 'random_ap')]
        classes = ', '.join(recipe['subsets'][entries[0]['unknown']])
        lines.append(f'| {entries[0]["arm"]} | {classes} | {" | ".join(cells)} |')
    if len(subsets) > 1:
        spreads = []
        for part in (None, 'without_taught'):
            for key in (*_KEYS, 'random_ap'):
                found = [
                    [e[key] if part is None else e[part][key] for e in entries]
                    for entries in subsets
                ]
                means = [mean(v for v in values if v is not None) for values in found if any(
                    v is not None for v in values)]  # fmt: skip
                spreads.append(f'{100 * (max(means) - min(means)):.1f}' if means else '-')
        lines.append(f'| best less worst | | {" | ".join(spreads)} |')
    return lines


def _curves(by_arm: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return both accuracies over the threshold, every third one, means over seeds."""
    lines = [
        '',
        '## Accuracy over the threshold',
        '',
        (
            'Known pixels whose class is right and that raise no alarm, and anomalous pixels that '
            'raise one, percent of each (as Fig. 4 of Lu et al. 2021); alarm: 1 - max softmax '
            'above the threshold.'
        ),
        '',
    ]
    places = (
        next(iter(by_arm.values()), [{}])[0].get('threshold_analysis', {}).get('thresholds', [])
    )
    chosen = range(0, len(places), 3)
    lines += [
        f'| arm | {" | ".join(f"{places[i]:.2f}" for i in chosen)} |',
        '|---|' + '---|' * len(chosen),
    ]
    for arm, entries in by_arm.items():
        curves = [entry['threshold_analysis'] for entry in entries]
        cells = []
        for index in chosen:
            pair = [
                '-' if any(c[key] is None for c in curves)
                else f'{100 * mean(c[key][index] for c in curves):.0f}'
                for key in ('semantic_accuracy', 'anomaly_accuracy')
            ]  # fmt: skip
            cells.append(' / '.join(pair))
        lines.append(f'| {arm} | {" | ".join(cells)} |')
    return lines


def _over_seeds(entries: Sequence[dict[str, Any]], key: str) -> str:
    values = [100 * entry[key] for entry in entries if entry[key] is not None]
    if not values:
        return '-'
    if len(values) == 1:
        return f'{values[0]:.1f}'
    return f'{mean(values):.1f} ± {stdev(values):.1f}'
