# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab info``: what a data set is, where it comes from, what of it is here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anomaly_seg_ros.files import write_json
from anomaly_seg_training.benchmark.inspection import SetReport, first_of, inspect
from anomaly_seg_training.benchmark.protocols import PROTOCOLS
from anomaly_seg_training.benchmark.sets import BENCHMARKS, Benchmark, open_benchmark
from anomaly_seg_training.data.labelled import DataError


def show(dataset: str | None, root: Path | None = None, json: Path | None = None) -> None:
    """Print what is known of a data set, and of the folder that should hold it.

    Args:
        dataset: Its name; None lists all data sets and protocols.
        root: Its folder; None tells where to get it and how to unpack it.
        json: Write what the folder holds to this file.

    Raises:
        KeyError: There is no data set of that name.
        DataError: The folder does not hold the data set, or holds something that does not belong;
            all of it is printed, and no file is written.
    """
    if dataset is None:
        _refuse(root is not None or json is not None, '--root or --json without --dataset')
        print('\n'.join(_list()))
        return
    benchmark = BENCHMARKS.get(dataset)
    if root is None:
        _refuse(json is not None, '--json without --root')
        print('\n'.join(_guide(dataset, benchmark)))
        return
    try:
        sets = open_benchmark(dataset, root)
    except DataError:
        print('\n'.join(_guide(dataset, benchmark)), flush=True)
        raise
    reports = []
    for benchmark_set in sets:
        report = inspect(benchmark_set)
        print('\n'.join(_report(report)), flush=True)
        reports.append(report)
    problems = tuple(problem for report in reports for problem in report.problems)
    if problems:
        raise DataError(first_of(problems))
    if json is not None:
        content = {'dataset': dataset, 'title': benchmark.title}
        write_json(json, {**content, 'sets': [report.as_dict() for report in reports]})


def _refuse(wrong: bool, received: str) -> None:
    if wrong:
        msg = f'received {received}, expected both'
        raise DataError(msg)


def _list() -> Iterator[str]:
    yield 'Data sets:'
    for name in BENCHMARKS.names():
        yield f'  {name:<28} {BENCHMARKS.get(name).title}'
    yield 'Protocols:'
    for name in PROTOCOLS.names():
        yield f'  {name:<28} {PROTOCOLS.get(name).source}'


def _guide(name: str, benchmark: Benchmark) -> Iterator[str]:
    yield f'{name}: {benchmark.title}'
    for archive in benchmark.archives:
        checksum = f' ({archive.checksum})' if archive.checksum else ''
        what = '' if archive.url.endswith(archive.name) else f'{archive.name} from '
        yield f'  {"get":<10} {what}{archive.url}{checksum}'
    for line in benchmark.unpack:
        yield f'  {"unpack":<10} {line}'
    for line in benchmark.layout:
        yield f'  {"files":<10} {line}'
    yield f'  {"labels":<10} {benchmark.labels}'


def _report(report: SetReport) -> Iterator[str]:
    yield f'{report.name} (protocol {report.protocol})'
    of = '' if report.published is None else f' of the published {report.published}'
    yield from _row('images', f'{report.images}{of}')
    if report.published is not None and report.images < report.published:
        missing = report.published - report.images
        yield from _row('missing', f'{missing} images: figures do not compare with published ones')
    sizes = [f'{n} of {size}' for size, n in report.sizes.items()]
    yield from _row('sizes', ', '.join(sizes[:6]) + (', ...' if len(sizes) > 6 else ''))
    yield from _row('version', report.version)
    total = max(1, report.normal + report.anomalous + report.ignored)
    for word, pixels in (
        ('normal', report.normal), ('anomalous', report.anomalous), ('ignored', report.ignored),
    ):  # fmt: skip
        yield from _row(word, f'{pixels:>14,} pixels {100 * pixels / total:8.4f} %')
    if report.anomalous and report.without_anomaly:
        names = ', '.join(name.split('/', 1)[1] for name in report.without_anomaly[:8])
        more = ', ...' if len(report.without_anomaly) > 8 else ''
        yield from _row('all normal', f'{len(report.without_anomaly)} images: {names}{more}')
    for value, pixels in report.labels.items():
        yield from _row(
            f'value {value}', f'{pixels:>14,} pixels {100 * pixels / total:8.4f} %  '
            f'{report.names[value]}',
        )  # fmt: skip
    for note in report.notes:
        yield from _row('note', note)
    for problem in report.problems:
        yield from _row('problem', problem)


def _row(key: str, value: str) -> Iterator[str]:
    yield f'  {key:<10} {value}'
