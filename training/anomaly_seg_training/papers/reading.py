# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading the tables of papers from YAML, strictly: whatever does not fit is an error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from anomaly_seg_ros.refinement.names import REFINEMENTS_DEFAULT
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.papers.sets import OUR_SETS, PAPER_SETS, difference
from anomaly_seg_training.papers.tables import (
    METRICS,
    UNITS,
    Cell,
    Columns,
    Method,
    Ours,
    PaperRow,
    PaperTable,
)

FOLDER = Path(__file__).resolve().parent / 'data'
PAPERS = (
    'mgu_aaft', 'synboost', 'coco_dag_oodmc_vde', 'style_aligned_ood', 'style_aligned_ood_poster',
)  # fmt: skip
"""Keys of the papers, in the order of our tables; each is the name of a file."""

_CELL = re.compile(r'-(?![\d.])|([+-]?\d+(?:\.\d+)?)(?: ± (\d+(?:\.\d+)?))?')
_KEY = re.compile(r'[a-z0-9_]+')
_T = TypeVar('_T')


class PaperError(LabError):
    """A file of tables of a paper cannot be used."""


def paper_tables() -> list[PaperTable]:
    """Return all tables of all papers, in the order of the papers and of each paper.

    Raises:
        PaperError: A file is missing or does not fit.
    """
    return list(_all_tables())


def paper_rows(set_name: str, images: int | None = None) -> list[PaperRow]:
    """Return what the papers print for the data set behind one of our sets, in percent.

    What the poster repeats of its paper is left out.

    Args:
        set_name: As our results name it, such as ``FS_LostFound_full``; a set that no paper
            measures gives an empty list.
        images: How many images were measured, for the notes; None if that is not known.

    Raises:
        PaperError: A file is missing or does not fit.
    """
    ours = OUR_SETS.get(set_name)
    if ours is None:
        return []
    found: dict[str, PaperRow] = {}
    for table in _all_tables():
        for columns in table.columns:
            if columns.set == ours.of:
                note = difference(columns, set_name, images)
                for method in table.rows:
                    if any(cell.text for cell in _cells(table, columns, method)):
                        row = _row(table, columns, method, note)
                        found.setdefault(repr(replace(row, paper='', citation='')), row)
    return list(found.values())


def read_paper(path: Path) -> list[PaperTable]:
    """Read the tables of one paper.

    Raises:
        PaperError: The file cannot be read, or something in it does not fit.
    """
    try:
        content = yaml.safe_load(path.read_text('utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f'cannot read the tables of a paper in {path}: {" ".join(str(error).split())}'
        raise PaperError(msg) from error
    where = path.name
    _keys(content, {'paper', 'name', 'citation', 'tables'}, set(), where)
    if content['paper'] != path.stem:
        _refuse(where, f'paper is {content["paper"]!r}', repr(path.stem))
    name, citation = (_text(content[key], f'{where}: {key}') for key in ('name', 'citation'))
    common = (path.stem, name, citation.strip())
    tables = [
        _table(entry, common, f'{where}, table {number}')
        for number, entry in enumerate(_list(content['tables'], f'{where}: tables'), 1)
    ]
    _unique([table.number for table in tables], 'number', where)
    return tables


@cache
def _all_tables() -> tuple[PaperTable, ...]:
    return tuple(table for paper in PAPERS for table in read_paper(FOLDER / f'{paper}.yaml'))


def _cells(table: PaperTable, columns: Columns, method: Method) -> tuple[Cell, ...]:
    return method.cells[table.columns.index(columns)]


def _row(table: PaperTable, columns: Columns, method: Method, note: str) -> PaperRow:
    cells = dict(zip(columns.metrics.values(), _cells(table, columns, method), strict=True))
    # The mIoU of the same method stands in columns of its own.
    for other in table.columns:
        if other.set == 'cityscapes' and other.setting in (columns.setting, ''):
            for key, cell in zip(
                other.metrics.values(), _cells(table, other, method), strict=True
            ):
                cells.setdefault(key, cell)
    return PaperRow(
        table.paper, table.citation, table.number, method.name, method.ood_data, columns.name,
        columns.split, columns.images, columns.setting,
        **{key: cell.value for key, cell in cells.items()},
        spread={key: cell.spread for key, cell in cells.items() if cell.spread is not None},
        note=note,
    )  # fmt: skip


def _table(entry: Any, common: tuple[str, str, str], where: str) -> PaperTable:
    _keys(entry, {'number', 'title', 'unit', 'columns', 'rows'}, {'notes'}, where)
    unit = _one_of(entry['unit'], UNITS, f'{where}: unit')
    columns = tuple(
        _columns(found, f'{where}, columns {number}')
        for number, found in enumerate(_list(entry['columns'], f'{where}: columns'), 1)
    )
    _unique([(found.name, found.setting) for found in columns], 'columns', where)
    settings = [found.setting for found in columns if not found.change_of]
    for found in columns:
        if found.change_of:
            _one_of(found.change_of, settings, f'{where}: change_of')
    rows = tuple(
        _method(found, columns, unit, f'{where}, row {number}')
        for number, found in enumerate(_list(entry['rows'], f'{where}: rows'), 1)
    )
    _unique([row.name for row in rows], 'method', where)
    notes = tuple(
        _text(note, f'{where}: notes') for note in _list(entry.get('notes', []), where, empty=True)
    )
    return PaperTable(
        *common, _text(entry['number'], f'{where}: number'),
        _text(entry['title'], f'{where}: title'), unit, columns, rows, notes,
    )  # fmt: skip


def _columns(entry: Any, where: str) -> Columns:
    found = _made(Columns, entry, where)
    for key in ('name', 'split'):
        _text(getattr(found, key), f'{where}: {key}')
    for key in ('setting', 'change_of'):
        if not isinstance(getattr(found, key), str):
            _refuse(where, f'{key} is {getattr(found, key)!r}', 'words')
    _one_of(found.set, PAPER_SETS, f'{where}: set')
    _key(found.trained, f'{where}: trained')
    images = found.images
    if images is not None and (type(images) is not int or images < 1):
        _refuse(where, f'images is {images!r}', 'a number of images')
    if not isinstance(found.metrics, dict) or not found.metrics:
        _refuse(where, f'metrics is {found.metrics!r}', 'name in the paper: one of our names')
    for name, metric in found.metrics.items():
        _text(name, f'{where}: a name in metrics')
        _one_of(metric, METRICS, f'{where}: metrics, {name}')
    _unique(list(found.metrics.values()), 'metric', where)
    return found


def _method(entry: Any, columns: tuple[Columns, ...], unit: str, where: str) -> Method:
    _keys(entry, {'method', 'values', 'ours'}, {'ood_data'}, where)
    name = _text(entry['method'], f'{where}: method')
    where = f'{where} ({name})'
    ood_data = entry.get('ood_data')
    if not (ood_data is None or isinstance(ood_data, bool)):
        _refuse(where, f'ood_data is {ood_data!r}', 'yes or no, or none of it')
    groups = _text(entry['values'], f'{where}: values').split('|')
    if len(groups) != len(columns):
        _refuse(where, f'{len(groups)} groups of figures', f'{len(columns)} with | between them')
    cells: dict[tuple[str, str], tuple[Cell, ...]] = {}
    for group, found in zip(groups, columns, strict=True):
        base = cells[found.name, found.change_of] if found.change_of else None
        cells[found.name, found.setting] = _group(group, found, unit, base, where)
    return Method(name, ood_data, tuple(cells.values()), _ours(entry['ours'], where))


def _group(
    text: str, columns: Columns, unit: str, base: tuple[Cell, ...] | None, where: str
) -> tuple[Cell, ...]:
    """Read the figures of one group; `base` holds what they change, if they are changes."""
    matches = list(_CELL.finditer(text))
    if _CELL.sub('', text).strip():
        _refuse(where, f'the figures {text.strip()!r}', 'numbers, mean ± deviation, or -')
    if len(matches) != len(columns.metrics):
        _refuse(
            where, f'{len(matches)} figures in {text.strip()!r}',
            f'{len(columns.metrics)}: {", ".join(columns.metrics)}',
        )  # fmt: skip
    found = []
    for place, match in enumerate(matches):
        number, spread = match.groups()
        if number is None:
            found.append(Cell())
            continue
        if (number[0] in '+-') != (base is not None):
            _refuse(where, f'the figure {number}', f'a {"change" if base else "plain figure"}')
        factor = Decimal(UNITS[unit])
        value = Decimal(number) * factor
        if base is not None and (before := base[place].value) is not None:
            value += Decimal(str(before))
        if not 0 <= value <= 100:
            _refuse(where, f'the figure {match[0]}, {value} %', 'one from 0 to 100 %')
        deviation = None if spread is None else float(Decimal(spread) * factor)
        found.append(Cell(match[0], float(value), deviation))
    return tuple(found)


def _ours(entry: Any, where: str) -> Ours:
    ours = _made(Ours, entry, f'{where}: ours')
    _key(ours.score, f'{where}: score')
    _one_of(ours.refinement, REFINEMENTS_DEFAULT, f'{where}: refinement')
    _key(ours.trained, f'{where}: trained')
    if not ours.score and not ours.trained:
        _refuse(where, 'neither score nor trained', 'at least one of both')
    return ours


def _made(kind: type[_T], entry: Any, where: str) -> _T:
    """Make a dataclass of a mapping with its fields."""
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    needed = {
        name for name, f in known.items()
        if f.default is MISSING and f.default_factory is MISSING
    }  # fmt: skip
    _keys(entry, needed, set(known) - needed, where)
    return kind(**entry)


def _keys(entry: Any, needed: set[str], allowed: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        _refuse(where, repr(entry)[:60], f'the keys {", ".join(sorted(needed))}')
    missing = sorted(needed - set(entry))
    if missing:
        _refuse(where, f'the keys {", ".join(map(str, entry)) or "(none)"}', f'also {missing[0]}')
    unknown = [key for key in entry if key not in needed | allowed]
    if unknown:
        _refuse(where, f'the key {unknown[0]!r}', f'one of {sorted(needed | allowed)}')


def _list(entry: Any, where: str, *, empty: bool = False) -> list[Any]:
    if not isinstance(entry, list) or not (entry or empty):
        _refuse(where, repr(entry)[:60], 'a list')
    return list(entry)


def _text(entry: Any, where: str) -> str:
    if not isinstance(entry, str) or not entry.strip():
        _refuse(where, repr(entry)[:60], 'words, in quotes if they look like a number')
    return str(entry)


def _one_of(entry: Any, known: Iterable[str] | Mapping[str, Any], where: str) -> str:
    if not isinstance(entry, str) or entry not in known:
        _refuse(where, repr(entry), f'one of: {", ".join(known)}')
    return str(entry)


def _key(entry: Any, where: str) -> None:
    if entry != '' and not (isinstance(entry, str) and _KEY.fullmatch(entry)):
        _refuse(where, repr(entry), 'a name of small letters, digits and underscores')


def _unique(names: list[Any], what: str, where: str) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        _refuse(where, f'the {what} {twice[0]!r} twice', 'each once')


def _refuse(where: str, received: str, expected: str) -> None:
    msg = f'{where}: received {received}, expected {expected}'
    raise PaperError(msg)
