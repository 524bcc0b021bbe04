# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The papers' tables with our figures beside them, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.papers.measured import Measured, Origin
from anomaly_seg_training.papers.sets import OUR_SETS, PAPER_SETS, difference
from anomaly_seg_training.papers.tables import METRICS, UNITS, Columns, Method, PaperTable

NONE = '—'


def markdown(
    tables: Sequence[PaperTable],
    measured: Sequence[Measured],
    trained: Mapping[str, str],
    command: str,
    files: Sequence[str] = (),
) -> str:
    """Return all tables, and at the end what is not measured yet.

    Args:
        tables: Of the papers.
        measured: Our figures.
        trained: Name of a bundle or network -> key of the method that trained it, see
            `tables.Ours`; of networks without one the results tell.
        command: That makes this text.
        files: Names of all files of results; those that nothing is taken from are named.

    Raises:
        LabError: There is no such method, or no such network.
    """
    _check(tables, measured, trained)
    return '\n'.join(_Page(tables, measured, trained).lines(command, files)) + '\n'


def methods(tables: Sequence[PaperTable]) -> list[str]:
    """Return the keys of the methods by which networks are trained, in order."""
    found = [row.ours.trained for table in tables for row in table.rows]
    found += [columns.trained for table in tables for columns in table.columns]
    return [key for key in dict.fromkeys(found) if key]


def _check(
    tables: Sequence[PaperTable], measured: Sequence[Measured], trained: Mapping[str, str]
) -> None:
    networks = list(dict.fromkeys(entry.origin.model for entry in measured))
    known = methods(tables)
    for network, method in trained.items():
        for received, what, names in ((network, 'network', networks), (method, 'method', known)):
            if received not in names:
                expected = ', '.join(names) or 'no network, since no results hold one'
                msg = f'received the {what} {received!r}, expected one of: {expected}'
                raise LabError(msg)


class _Page:
    def __init__(
        self,
        tables: Sequence[PaperTable],
        measured: Sequence[Measured],
        trained: Mapping[str, str],
    ) -> None:
        self._tables = tables
        self._measured = measured
        self._trained = trained
        # Letter, and images of each set, of where figures come from; the set is said by columns.
        self._marks: dict[Origin, tuple[str, dict[str, int | None]]] = {}

    def lines(self, command: str, files: Sequence[str]) -> Iterator[str]:
        yield from (
            '# The tables of the papers, and ours',
            '',
            f'Made by `{command}`',
            "from the papers' figures as printed and from stored results: edit neither by hand.",
            '',
            'What was measured here has a letter that says at the end of this page where it comes',
            'from. It stands beside a method because score and refinement are the same; network,',
            'training data and often the images are others, as the notes say. Methods called Ours',
            "are the papers'. OoD: whether a method is trained with anomalies, as far as the",
            'paper says. Mean ± standard deviation where several trainings were measured.',
            f'{NONE}: none.',
        )
        yield from self._bodies()
        yield from ('', '## Not measured yet', '')
        yield from self._missing()
        yield from ('', '## Where the figures come from', '')
        yield from self._legend()
        used = {origin.file for origin in self._marks}
        if unused := [file for file in files if file not in used]:
            yield from ('', f'Nothing for these tables in: {", ".join(unused)}.')

    def _legend(self) -> Iterator[str]:
        heads = ('', 'file', 'network', 'sets (images)', 'images at', 'network at', 'protocol')
        yield _row(*heads)
        yield _row(*('---' for _ in heads)).replace(' ', '')
        for origin, (mark, sets) in self._marks.items():
            network = [origin.model, self._method(origin)]
            network += [f'mean with {origin.passes}'] if origin.passes else []
            network += [f'{origin.seeds} seeds'] if origin.seeds > 1 else []
            shown = (f'{name} ({number})' if number else name for name, number in sets.items())
            yield _row(
                mark, origin.file, ', '.join(filter(None, network)), ', '.join(shown), origin.size,
                origin.network_size, origin.protocol or 'one confusion matrix',
            )  # fmt: skip

    def _bodies(self) -> Iterator[str]:
        paper = ''
        for table in self._tables:
            if table.paper != paper:
                paper = table.paper
                yield from ('', f'## {table.name}', '', table.citation)
            yield from self._table(table)

    def _table(self, table: PaperTable) -> Iterator[str]:
        yield from ('', f'### Table {table.number}: {table.title}', '')
        counterparts = _counterparts(table)
        scale = 'in percent' if table.unit == 'percent' else 'as fractions'
        heads = ['method', 'OoD']
        heads += [_heading(c, c.setting, c.metrics) for c in table.columns]
        heads += [
            f'measured here: {_heading(c, c.setting if c.trained else "", _ours_of(c))}'
            for c in counterparts
        ]
        yield _row(*heads)
        yield _row(*('---' for _ in heads)).replace(' ', '')
        used: dict[str, None] = {}
        for method in table.rows:
            row = [method.name, {True: 'yes', False: 'no', None: NONE}[method.ood_data]]
            row += [' / '.join(cell.text or NONE for cell in cells) for cells in method.cells]
            for columns in counterparts:
                found = self._of(method, columns)
                row.append('<br>'.join(self._figures(e, columns, table) for e in found) or NONE)
                for origin in (entry.origin for entry in found):
                    used[difference(columns, origin.set, origin.images)] = None
            yield _row(*row)
        yield from ('', f'Figures {scale}.')
        yield from _notes((*table.notes, *filter(None, used)))

    def _of(self, method: Method, columns: Columns) -> list[Measured]:
        """Return our figures for one method on the data set of some columns."""
        ours = method.ours
        training = columns.trained or ours.trained
        found = []
        for entry in self._measured:
            our_set = OUR_SETS.get(entry.origin.set)
            if our_set is None or our_set.of != columns.set:
                continue
            if self._method(entry.origin) != training:
                continue
            # An mIoU belongs to a network, whatever the score.
            same = not entry.score or (
                entry.score == (ours.score or entry.score) and entry.refinement == ours.refinement
            )
            if same and any(
                entry.figures.get(key) is not None for key in _ours_of(columns).values()
            ):
                found.append(entry)
        return found

    def _method(self, origin: Origin) -> str:
        """Return what trained a network: as somebody says, or as the results do."""
        return self._trained.get(origin.model, origin.trained)

    def _figures(self, entry: Measured, columns: Columns, table: PaperTable) -> str:
        digits, scale = (2, 100.0) if table.unit == 'percent' else (4, 100 / UNITS[table.unit])
        texts = []
        for key in _ours_of(columns).values():
            value, spread = entry.figures.get(key), entry.spread.get(key)
            text = NONE if value is None else f'{scale * value:.{digits}f}'
            texts.append(text if spread is None else f'{text} ± {scale * spread:.{digits}f}')
        return f'{" / ".join(texts)} ({self._mark(entry)})'

    def _mark(self, entry: Measured) -> str:
        origin = replace(entry.origin, set='', images=None)
        mark, sets = self._marks.setdefault(origin, (_letters(len(self._marks)), {}))
        sets[entry.origin.set] = entry.origin.images
        return mark

    def _missing(self) -> Iterator[str]:
        said = set()
        for table in self._tables:
            for columns in _unique_sets(table):
                names = [row.name for row in table.rows if not self._of(row, columns)]
                setting = f', {columns.setting}' if columns.trained else ''
                where = f'table {table.number}, {PAPER_SETS[columns.set]}{setting}'
                what = 'all methods' if len(names) == len(table.rows) else '; '.join(names)
                # A poster repeats its paper.
                if names and (where, what, table.title) not in said:
                    said.add((where, what, table.title))
                    yield f'- {table.name}, {where}: {what}'


def _unique_sets(table: PaperTable) -> list[Columns]:
    """Return columns of each data set and training once: backbones are not told apart."""
    found: dict[tuple[str, str], Columns] = {}
    for columns in table.columns:
        found.setdefault((columns.set, columns.trained), columns)
    return list(found.values())


def _counterparts(table: PaperTable) -> list[Columns]:
    """Return the columns beside which ours can stand: some set and some figure is in common."""
    known = {found.of for found in OUR_SETS.values()}
    return [c for c in _unique_sets(table) if c.set in known and _ours_of(c)]


def _ours_of(columns: Columns) -> dict[str, str]:
    return {name: key for name, key in columns.metrics.items() if METRICS[key].measured}


def _heading(columns: Columns, setting: str, metrics: Mapping[str, str]) -> str:
    names = ' / '.join(name + METRICS[key].arrow for name, key in metrics.items())
    return f'{columns.name}{", " * bool(setting)}{setting}: {names}'


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield ''
        yield from (f'- {note}' for note in notes)


def _row(*texts: str) -> str:
    return f'| {" | ".join(texts)} |'


def _letters(number: int) -> str:
    """Return a, b, ..., z, aa, ab, ..."""
    before, last = divmod(number, 26)
    return (_letters(before - 1) if before else '') + chr(ord('a') + last)
