# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of an ablation as Markdown: mean and spread over seeds, in percent."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from anomaly_seg_training.ablation.plan import START

NONE = '—'
PASTED = 'pasted'
"""The validation frames with objects pasted, beside the anomaly sets."""
_FIGURES = {'auroc': 'AUROC', 'ap': 'AP', 'fpr95': 'FPR95'}
_LEADING = 'max_logit'
Run = Mapping[str, Any]


def markdown(content: Mapping[str, Any], command: str) -> str:
    """Return all tables.

    Args:
        content: As `results.gather` has made it.
        command: That makes this text.
    """
    return '\n'.join(_Page(content).lines(command)) + '\n'


class _Page:
    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self._runs: Mapping[str, Run] = content['runs']
        first: Run = next(iter(self._runs.values()), {'sets': {}})
        self._sets = [PASTED, *first['sets']]
        scores = content['scores']
        self._scores: list[str] = scores
        self._leading = _LEADING if _LEADING in scores else scores[0]

    def lines(self, command: str) -> Iterator[str]:
        origin = self._content['provenance']
        yield '# Ablations of the fine-tuning'
        yield from ('', f'Made by `{command}`; the runs by `{origin["command"]}`.')
        yield from ('', *self._setting())
        for name, table in self._content['tables'].items():
            yield from ('', f'## {table["title"]}', '', f'Table `{name}`. {self._schedule()}', '')
            yield from self._summary(table['arms'])
            for place in self._sets:
                yield from ('', f'### {table["title"]}: {_title(place)}', '')
                yield from self._details(table['arms'], place)
            yield from self._notes(table['arms'])

    def _setting(self) -> Iterator[str]:
        content, schedule = self._content, self._content['schedule']
        start = content['start']
        weights = start.get('bundle') or start.get('checkpoint')
        seeds = ', '.join(str(seed) for seed in content['seeds'])
        yield (
            f'All runs begin with {weights} and share one short schedule; they show what '
            'changes with one choice, not what a whole training reaches. In percent, mean ± '
            f'standard deviation over the seeds {seeds}; no spread where one seed is done. Images '
            f'and ground truth at {content["size"]}, pixels pooled. mIoU on cityscapes_mini/val: '
            'from one confusion matrix, and as the mean over frames of the classes in each. '
            f'`{START}` is the segmenter before any training. Nothing was chosen by these figures '
            'on anomaly sets.'
        )
        objects = (
            f'`{PASTED}`: objects of photographs that no run trains on, pasted over '
            f'{schedule["validation_frames"]} frames of {_names(schedule["validation"])} at '
            f'{schedule["validation_size"]}.'
        )
        yield from ('', objects, '', 'What an arm does not change:', '')
        yield from ('| key | value |', '|---|---|')
        for key, value in schedule.items():
            yield _row(f'`{key}`', f'`{_plain(value)}`')

    def _schedule(self) -> str:
        schedule = self._content['schedule']
        return (
            f'{schedule["steps"]} steps of {schedule["batch"]} crops of {schedule["crop"]}, '
            f'learning rate {schedule["learning_rate"]:g}, unless the arm says otherwise.'
        )

    def _summary(self, arms: Mapping[str, Any]) -> Iterator[str]:
        pair = f'{self._leading}: AP↑ / FPR95↓'
        heads = ['arm', 'what differs', 'seeds', 'mIoU↑', 'per frame↑']
        heads += [f'{place}, {pair}' for place in self._sets]
        yield _row(*heads)
        yield _row(*('---' for _ in heads)).replace(' ', '')
        for name, changes, runs in self._rows(arms):
            cells = [name, changes, str(len(runs))]
            cells += [_mean(runs, itemgetter(key)) for key in ('miou', 'miou_per_frame')]
            for place in self._sets:
                cells.append(
                    ' / '.join(
                        _mean(runs, self._figure(place, self._leading, key))
                        for key in ('ap', 'fpr95')
                    )
                )
            yield _row(*cells)

    def _details(self, arms: Mapping[str, Any], place: str) -> Iterator[str]:
        names = ' / '.join(_FIGURES.values())
        heads = ['arm', *(f'{score}: {names}' for score in self._scores)]
        yield _row(*heads)
        yield _row(*('---' for _ in heads)).replace(' ', '')
        for name, _, runs in self._rows(arms):
            cells = [
                ' / '.join(_mean(runs, self._figure(place, score, key)) for key in _FIGURES)
                for score in self._scores
            ]
            yield _row(name, *cells)

    def _rows(self, arms: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Run]]]:
        """Yield name, changes and finished runs of the start and of each arm that could run."""
        start = self._content['start']['key']
        yield START, '', [self._runs[start]] if start in self._runs else []
        for name, arm in arms.items():
            keys = arm['runs'].values()
            changes = ', '.join(f'`{k}: {_plain(v)}`' for k, v in arm['changes'].items())
            yield name, changes or 'nothing', [self._runs[k] for k in keys if k in self._runs]

    def _notes(self, arms: Mapping[str, Any]) -> Iterator[str]:
        missing = self._content.get('missing', {})
        notes = []
        for name, arm in arms.items():
            if arm.get('reason'):
                notes.append(f'{name} was not run: {arm["reason"]}')
            notes += [
                f'{name}, seed {seed}: {missing[key]}'
                for seed, key in arm['runs'].items()
                if key in missing
            ]
        if notes:
            yield ''
            yield from (f'- {note}' for note in notes)

    @staticmethod
    def _figure(place: str, score: str, key: str) -> Callable[[Run], float | None]:
        def find(run: Run) -> float | None:
            found = run['validation'] if place == PASTED else run['sets'].get(place, {})
            value: float | None = found.get(score, {}).get(key)
            return value

        return find


def _mean(runs: Sequence[Run], find: Callable[[Run], float | None]) -> str:
    values = [100 * value for run in runs if (value := find(run)) is not None]
    if not values:
        return NONE
    mean = f'{statistics.fmean(values):.2f}'
    return f'{mean} ± {statistics.stdev(values):.2f}' if len(values) > 1 else mean


def _title(place: str) -> str:
    return 'objects pasted over validation frames' if place == PASTED else place


def _names(entries: Mapping[str, Any]) -> str:
    return ', '.join(
        f'{name} {options["split"]}' if 'split' in options else name
        for name, options in entries.items()
    )


def _plain(value: Any) -> str:
    """Write a value in one line, as YAML takes it."""
    return value if isinstance(value, str) else json.dumps(value).replace('"', '')


def _row(*texts: str) -> str:
    return f'| {" | ".join(texts)} |'
