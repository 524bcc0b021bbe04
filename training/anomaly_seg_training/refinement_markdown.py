# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of refinements as Markdown, from its JSON."""

from __future__ import annotations

from typing import Any

from anomaly_seg_training.errors import LabError

STEPS = (
    ('sml', 'none', 'sml'),
    ('suppress', 'sml', 'sml+suppress'),
    ('smooth', 'sml+suppress', 'sml+suppress+smooth'),
    ('vde', 'sml+suppress+smooth', 'sml+suppress+smooth+vde'),
)
"""What is added, to what, and what comes of it."""

Row = dict[str, Any]


def markdown(content: dict[str, Any]) -> str:
    """Return the content of `refinement_table.Table.build` as Markdown, figures in percent.

    Raises:
        LabError: It is no such content.
    """
    try:
        return '\n'.join(_lines(content)) + '\n'
    except (KeyError, TypeError, IndexError) as error:
        msg = f'this is no table of refinements ({error!r}): make it by `tables refinements`'
        raise LabError(msg) from error


def _lines(content: dict[str, Any]) -> list[str]:
    origin, network = content['provenance'], content['network']
    git = origin['git']
    commit = 'no commit' if git is None else git['commit'][:10] + ('+' if git['dirty'] else '')
    lines = [
        '# Scores and refinements, measured',
        '',
        'Made by `anomaly-seg-lab tables markdown`; what it means is on the page',
        '[Refinement](../refinement.md).',
        '',
        f'Network: {network["segmenter"]}, {network["file"]} (SHA-256 {network["sha256"][:12]}).',
        f'Class statistics: {", ".join(content["statistics_from"])}, at the size of the network.',
        f'VDE: {", ".join(f"{key} {value:g}" for key, value in content["vde"].items())}.',
        f'Command: `{origin["command"]}`',
        f'({commit}, {origin["date"][:10]}).',
        '',
        'Pixels of a set are pooled; figures are AUROC / AP / FPR95 in percent; the highest AP of',
        'a column is bold.',
    ]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in content['results']:
        groups.setdefault((row['resolution'], row['passes']), []).append(row)
    for (resolution, passes), rows in groups.items():
        flipped = ', mean over the image and its mirror image' if passes == 'flip' else ''
        title = 'native size' if resolution == 'native' else resolution
        lines += ['', f'## Network and metrics at {title}{flipped}', '', *_table(rows)]
        lines += ['', 'What each step changes in AP and, in brackets, FPR95, in points:', '']
        lines += _steps(rows)
    return lines


def _table(rows: list[Row]) -> list[str]:
    sets = list(dict.fromkeys(row['set'] for row in rows))
    sizes = {row['set']: (row['size'], row['images']) for row in rows}
    cells = {(row['score'], row['refinement'], row['set']): row for row in rows}
    heads = [f'{name} ({sizes[name][1]} images, {sizes[name][0]})' for name in sets]
    best = {name: max(r['ap'] or 0 for r in rows if r['set'] == name) for name in sets}
    lines = [f'| score | refinement | {" | ".join(heads)} |', f'|---|---|{"---|" * len(sets)}']
    for score, refinement in dict.fromkeys((r['score'], r['refinement']) for r in rows):
        texts = []
        for name in sets:
            row = cells.get((score, refinement, name))
            text = 'not measured' if row is None else _figures(row)
            texts.append(f'**{text}**' if row is not None and row['ap'] == best[name] else text)
        lines.append(f'| {score} | {refinement} | {" | ".join(texts)} |')
    return lines


def _steps(rows: list[Row]) -> list[str]:
    sets = list(dict.fromkeys(row['set'] for row in rows))
    cells = {(row['score'], row['refinement'], row['set']): row for row in rows}
    plain = STEPS[0][1]
    scores = list(dict.fromkeys(row['score'] for row in rows if row['refinement'] == plain))
    lines = [f'| score | step | {" | ".join(sets)} |', f'|---|---|{"---|" * len(sets)}']
    for score in scores:
        for step, before, after in STEPS:
            pairs = [(cells.get((score, before, name)), cells.get((score, after, name)))
                     for name in sets]  # fmt: skip
            texts = ['not measured' if a is None or b is None else _change(a, b)
                     for a, b in pairs]  # fmt: skip
            if any(None not in pair for pair in pairs):
                lines.append(f'| {score} | + {step} | {" | ".join(texts)} |')
    return lines


def _figures(row: Row) -> str:
    if row['ap'] is None:
        return 'no anomaly'
    return f'{100 * row["auroc"]:.1f} / {100 * row["ap"]:.2f} / {100 * row["fpr95"]:.2f}'


def _change(before: Row, after: Row) -> str:
    if before['ap'] is None:
        return 'no anomaly'
    ap, fpr95 = (100 * (after[key] - before[key]) for key in ('ap', 'fpr95'))
    return f'{ap:+.2f} ({fpr95:+.2f})'
