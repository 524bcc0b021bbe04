# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a table of a paper is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    """A figure that papers print.

    Args:
        higher: Whether higher is better; None for what is no measure of quality.
        measured: Whether our results hold it.
    """

    higher: bool | None
    measured: bool = True

    @property
    def arrow(self) -> str:
        """A blank and an arrow towards better, or nothing."""
        return {True: ' ↑', False: ' ↓', None: ''}[self.higher]


METRICS = {
    'auroc': Metric(higher=True),
    'ap': Metric(higher=True),
    'fpr95': Metric(higher=False),
    'miou': Metric(higher=True),
    'f1': Metric(higher=True, measured=False),
    'precision': Metric(higher=True, measured=False),
    'fp_rate': Metric(higher=False, measured=False),
    'ap_chance': Metric(higher=None, measured=False),
}
"""Names of figures; AUPR and AUPRC of the papers are AP."""

UNITS = {'percent': 1.0, 'fraction': 100.0}
"""Unit in which a table prints its figures -> what makes percent of it."""


@dataclass(frozen=True)
class Columns:
    """Neighbouring columns of a table that are about one data set.

    Args:
        name: Of the data set, as printed.
        set: A key of `sets.PAPER_SETS`.
        split: Part of the data set, or ``not stated``.
        images: How many; None where neither paper nor data set says so.
        metrics: Figure as printed -> key of `METRICS`, in order.
        setting: What else these figures belong to, such as a backbone; may be empty.
        change_of: Setting of the columns to which these print changes; empty for plain figures.
        trained: Key of the training method of all rows in these columns, see `Ours`; may be empty.
    """

    name: str
    set: str
    split: str
    metrics: Mapping[str, str]
    images: int | None = None
    setting: str = ''
    change_of: str = ''
    trained: str = ''


@dataclass(frozen=True)
class Cell:
    """One figure.

    Args:
        text: As printed; empty where there is none.
        value: In percent, a change already added to what it changes; None where there is none.
        spread: Standard deviation in points; None where none is printed.
    """

    text: str = ''
    value: float | None = None
    spread: float | None = None


@dataclass(frozen=True)
class Ours:
    """Which of our results stand beside a row.

    Args:
        score: Name of the score; empty for a method that is more than a score of logits.
        refinement: Name of the refinement.
        trained: Key of the method that the network was trained by, or that replaces it; empty for
            a network that knows nothing of anomalies.
    """

    score: str = ''
    refinement: str = 'none'
    trained: str = ''


@dataclass(frozen=True)
class Method:
    """One row of a table.

    Args:
        name: As printed.
        ood_data: Whether it is trained with anomalies; None where the paper does not say.
        cells: For each of the table's `Columns` one for each metric.
        ours: Our counterpart.
    """

    name: str
    ood_data: bool | None
    cells: tuple[tuple[Cell, ...], ...]
    ours: Ours


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper, in its order.

    Args:
        paper: Key of the paper.
        name: Of the paper, short.
        citation: Authors, title, where and when.
        number: As printed.
        title: What it is about.
        unit: A key of `UNITS`.
        columns: Its groups of columns.
        rows: Its rows.
        notes: What a reader should know.
    """

    paper: str
    name: str
    citation: str
    number: str
    title: str
    unit: str
    columns: tuple[Columns, ...]
    rows: tuple[Method, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PaperRow:
    """What a paper prints for one method on one data set, in percent; None where nothing.

    Args:
        paper: Key of the paper.
        citation: Of the paper.
        table: Number of the table, as printed.
        method: As printed.
        ood_data: Whether it is trained with anomalies; None where the paper does not say.
        set: The data set, as printed.
        split: Part of it.
        images: How many; None where that is not known.
        setting: Backbone or another condition; may be empty.
        auroc: Area under the ROC curve.
        ap: Average precision, also where the paper says AUPR or AUPRC.
        fpr95: False positive rate at 95 % true positive rate.
        miou: On Cityscapes, of the same method in the same setting.
        f1: F1 score.
        precision: Precision.
        fp_rate: False positive rate.
        ap_chance: Average precision of a guess.
        spread: Standard deviation in points, by the name of the figure.
        note: Why our figures do not compare with it; empty where nothing is known against it.
    """

    paper: str
    citation: str
    table: str
    method: str
    ood_data: bool | None
    set: str
    split: str
    images: int | None
    setting: str
    auroc: float | None = None
    ap: float | None = None
    fpr95: float | None = None
    miou: float | None = None
    f1: float | None = None
    precision: float | None = None
    fp_rate: float | None = None
    ap_chance: float | None = None
    spread: Mapping[str, float] = field(default_factory=dict)
    note: str = ''
