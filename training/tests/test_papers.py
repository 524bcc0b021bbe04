# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The papers' figures: as printed, complete, consistent; broken files are refused."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from conftest import REPOSITORY

from anomaly_seg_ros.scores import SCORES
from anomaly_seg_training.papers import (
    METRICS,
    OUR_SETS,
    PAPERS,
    PaperError,
    PaperTable,
    paper_rows,
    paper_tables,
    read_paper,
)
from anomaly_seg_training.papers.reading import FOLDER
from anomaly_seg_training.papers.sets import PAPER_SETS

NUMBER = re.compile(r'[+-]?\d+(?:\.\d+)?')
TABLES = {
    'mgu_aaft': {'I': 5, 'II': 9, 'III': 6},
    'synboost': {'1': 7, '2': 5, '3': 3},
    'coco_dag_oodmc_vde': {'1': 2, '2': 4, '3': 3},
    'style_aligned_ood': {'1': 10, '2': 5, '3': 13, '4': 10},
    'style_aligned_ood_poster': {'1': 10, '2': 5, '3': 13},
}
PRINTED_BY_METRIC = {('coco_dag_oodmc_vde', '1'), ('coco_dag_oodmc_vde', '2')}
"""Tables whose rows are metrics, two methods beside each other."""


def _texts(table: PaperTable, row: int, group: int) -> list[str]:
    """The numbers of one row in one group of columns, as printed."""
    cells = table.rows[row].cells[group]
    return [number for cell in cells for number in NUMBER.findall(cell.text)]


def test_all_tables_with_all_their_rows_are_there() -> None:
    found: dict[str, dict[str, int]] = {}
    for table in paper_tables():
        found.setdefault(table.paper, {})[table.number] = len(table.rows)
    assert found == TABLES
    assert list(found) == list(PAPERS)
    assert {path.stem for path in FOLDER.iterdir()} == set(PAPERS)


def test_words_in_the_files_are_those_of_the_lab() -> None:
    scores = {row.ours.score for table in paper_tables() for row in table.rows}
    assert scores <= {'', *SCORES.names()}
    assert {found.of for found in OUR_SETS.values()} <= set(PAPER_SETS)
    used = {columns.set for table in paper_tables() for columns in table.columns}
    assert used == set(PAPER_SETS)


@pytest.fixture(scope='session')
def paper_texts() -> dict[str, str]:
    """The texts of the papers, without tags, references and links."""
    folder = REPOSITORY.parent / 'shared' / 'papers'
    if not folder.is_dir():
        pytest.skip('the papers are not beside the checkout')
    texts = {}
    for paper in PAPERS:
        text = re.sub(r'<[^>]*>', ' ', (folder / f'{paper}.txt').read_text('utf-8'))
        texts[paper] = re.sub(r'\[\d+(, ?\d+)*\]', ' ', text)
    return texts


@pytest.mark.shared_data
def test_figures_follow_one_another_as_in_the_papers(paper_texts: dict[str, str]) -> None:
    streams = {
        paper: f' {" ".join(NUMBER.findall(text.split("References")[0]))} '
        for paper, text in paper_texts.items()
    }
    checked = 0
    for table in paper_tables():
        for group in range(len(table.columns)):
            rows = [_texts(table, row, group) for row in range(len(table.rows))]
            if (table.paper, table.number) in PRINTED_BY_METRIC:
                pairs = [rows[i : i + 2] for i in range(0, len(rows), 2)]
                rows = [list(numbers) for pair in pairs for numbers in zip(*pair, strict=True)]
            for numbers in filter(None, rows):
                assert f' {" ".join(numbers)} ' in streams[table.paper], (table.number, numbers)
                checked += len(numbers)
    assert checked > 500


@pytest.mark.shared_data
def test_no_figure_of_the_papers_tables_is_missing(paper_texts: dict[str, str]) -> None:
    folder = REPOSITORY.parent / 'shared' / 'papers'
    for paper in PAPERS:
        lines = (folder / f'{paper}.txt').read_text('utf-8').splitlines()
        rows = [line for line in lines if '\t' in line or line.startswith(('|', '<td'))]
        names = re.compile(r'DeepLabv3|<[^>]*>|\[\d+\]')
        printed = {n for line in rows for n in NUMBER.findall(names.sub(' ', line)) if '.' in n}
        transcribed = {
            number
            for table in paper_tables() if table.paper == paper
            for row in range(len(table.rows))
            for group in range(len(table.columns))
            for number in _texts(table, row, group) if '.' in number
        }  # fmt: skip
        assert transcribed == printed, paper


def _values(paper: str, number: str) -> dict[tuple[str, int], tuple[float | None, ...]]:
    (table,) = (t for t in paper_tables() if (t.paper, t.number) == (paper, number))
    return {
        (row.name, group): tuple(cell.value for cell in cells)
        for row in table.rows
        for group, cells in enumerate(row.cells)
    }


def _rounded(value: float, digits: str) -> float:
    return float(Decimal(str(value)).quantize(Decimal(digits), ROUND_HALF_UP))


def test_style_alignment_adds_up_to_what_other_tables_print() -> None:
    added, by_k = _values('style_aligned_ood', '2'), _values('style_aligned_ood', '3')
    first = _values('style_aligned_ood', '1')
    for name, other in (
        ('Max Logit', 'Max Logit'), ('Energy', 'Energy'), ('Max - Min. Logit', 'Max-Min Logit'),
    ):  # fmt: skip
        assert added[name, 1] == by_k[f'Ours ({other}), K = 5', 0] == first[f'Ours ({other})', 3]


@pytest.mark.parametrize('number', ['1', '2', '3'])
def test_poster_repeats_the_paper(number: str) -> None:
    paper = _values('style_aligned_ood', number)
    assert _values('style_aligned_ood_poster', number) == paper
    assert len(paper) > 9


def test_average_of_the_pilot_study() -> None:
    values = _values('mgu_aaft', 'I')
    singles = [values[f'sub-exp {i}', 0] for i in range(4)]
    means = [sum(filter(None, column)) / 4 for column in zip(*singles, strict=True)]
    assert values['sub-average', 0] == tuple(_rounded(round(m, 6), '0.1') for m in means)


@pytest.mark.parametrize(
    ('name', 'short'), [('Ours', 'Full Framework'), ('Im. Resyn.++', 'Image Resyn.++')]
)
def test_two_tables_of_synboost_agree(name: str, short: str) -> None:
    exact, rounded = _values('synboost', '3'), _values('synboost', '2')
    for group in range(2):
        expected = tuple(_rounded(value or 0, '1') for value in exact[name, group])
        assert rounded[short, group] == expected


def test_rows_of_a_set() -> None:
    rows = paper_rows('RoadAnomaly', images=30)
    assert [row.table for row in rows] == ['4'] * 10
    best = rows[8]
    assert (best.method, best.paper) == ('Ours (Energy)', 'style_aligned_ood')
    assert (best.auroc, best.ap, best.fpr95, best.miou) == (89.65, 46.39, 38.09, None)
    assert (best.set, best.images, best.setting, best.ood_data) == (
        'Road Anomaly', 60, 'WideResNet38', True,
    )  # fmt: skip
    assert '60 images' in best.note
    assert '30 images' in best.note
    assert paper_rows('RoadAnomaly', images=60)[8].note == ''


def test_rows_carry_the_miou_of_their_setting_and_changes_as_sums() -> None:
    rows = {(row.table, row.method, row.setting): row for row in paper_rows('FS_LostFound_full')}
    assert rows['1', 'Ours (Energy)', 'WideResNet38'].miou == 90.39
    assert rows['1', 'Ours (Energy)', 'ResNet101'].miou == 80.5
    assert ('1', 'Meta-OOD', 'ResNet101') not in rows
    aligned = rows['2', 'Max Softmax Pred.', 'w. style align.']
    assert (aligned.auroc, aligned.ap, aligned.fpr95) == (96.37, 51.16, 18.02)
    full = rows['2', 'Full Framework', '']
    assert (full.ap, full.spread) == (55, {'ap': 5, 'fpr95': 5})
    assert rows['1', 'Ours', ''].miou == 83.5
    assert 'test, 275 images' in rows['1', 'Ours', ''].note
    # A fraction in the paper is a percentage here.
    assert paper_rows('LostAndFound-test')[-1].ap == 59.4


def test_the_poster_is_not_repeated_and_unknown_sets_have_no_rows() -> None:
    rows = paper_rows('FS_LostAndFound')
    assert {row.paper for row in rows} == set(PAPERS) - {'mgu_aaft', 'style_aligned_ood_poster'}
    assert paper_rows('CamVid-test') == []


def test_every_figure_has_a_field() -> None:
    assert set(METRICS) <= set(paper_rows('RoadAnomaly')[0].__dataclass_fields__)


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('paper: synboost', 'paper: other', "expected 'synboost'"),
        ('name: SynBoost', 'name: 3', 'name: received 3, expected words'),
        ('unit: percent', 'unit: permille', 'table 1: unit: received .permille., expected one of'),
        ('43.22 15.79', '43.22', "row 4 \\(Ours\\): received 1 figures in '43.22', expected 2"),
        ('43.22', '432.2', 'expected one from 0 to 100 %'),
        ('43.22', '+43.22', 'the figure \\+43.22, expected a plain figure'),
        ('43.22', '43,22', "received the figures '43,22 15.79'"),
        ('43.22 15.79 | 72.59 18.75', '43.22 15.79', 'received 3 groups of figures, expected 4'),
        ('set: fs_static', 'set: fs', "columns 2: set: received 'fs', expected one of"),
        ('FPR95: fpr95', 'FPR95: fpr', "metrics, FPR95: received 'fpr'"),
        ('FPR95: fpr95', 'FPR95: ap', "the metric 'ap' twice"),
        ('images: 275', 'images: many', "images is 'many', expected a number"),
        ('images: 275', 'pictures: 275', "the key 'pictures', expected one of"),
        ('method: Ours,', 'method: Outlier Head,', "the method 'Outlier Head' twice"),
        ('{score: entropy}', '{score: entropy, refinement: more}', "received 'more', expected"),
        ('{score: entropy}', '{}', 'neither score nor trained'),
        ('{score: entropy}', '{trained: Some Thing}', "received 'Some Thing', expected a name"),
        ('ood_data: no', 'ood_data: maybe', "ood_data is 'maybe'"),
        ("number: '2'", "number: '1'", "the number '1' twice"),
        ("number: '2'", 'number: 2', 'number: received 2, expected words, in quotes'),
        ('    rows:', '    lines:', 'also rows'),
        ('tables:', 'tables: [', 'cannot read the tables'),
        ('citation: >-', 'citation: !!python/name:os.system', 'cannot read the tables'),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (FOLDER / 'synboost.yaml').read_text('utf-8')
    assert old in text
    file = tmp_path / 'synboost.yaml'
    file.write_text(text.replace(old, new, 1), 'utf-8')
    with pytest.raises(PaperError, match=message):
        read_paper(file)


def test_a_change_needs_a_sign_and_what_it_changes(tmp_path: Path) -> None:
    text = (FOLDER / 'style_aligned_ood.yaml').read_text('utf-8')
    file = tmp_path / 'style_aligned_ood.yaml'
    for old, new, message in (
        ('+1.55', '1.55', 'the figure 1.55, expected a change'),
        ('+1.55', '+9.55', '104.37 %, expected one from 0 to 100'),
        ('change_of: w/o. style align.', 'change_of: nothing', "change_of: received 'nothing'"),
        ('setting: ResNet101', 'setting: WideResNet38', 'the columns .* twice'),
    ):
        file.write_text(text.replace(old, new, 1), 'utf-8')
        with pytest.raises(PaperError, match=message):
            read_paper(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PaperError, match=r'none\.yaml'):
        read_paper(tmp_path / 'none.yaml')
