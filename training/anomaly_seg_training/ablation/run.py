# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trials one after another or side by side, each in a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from anomaly_seg_ros.files import write_json
from anomaly_seg_training.ablation.plan import Trial
from anomaly_seg_training.ablation.trial import Place, run_trial
from anomaly_seg_training.memory import keep_memory


def is_done(place: Place, trial: Trial) -> bool:
    """Tell whether a trial has figures; one that failed is tried again."""
    return 'sets' in stored(place.result(trial))


def stored(file: Path) -> dict[str, Any]:
    """Return what a trial has left, {} for nothing."""
    try:
        content = json.loads(file.read_text('utf-8'))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def run_trials(
    trials: Iterable[Trial], place: Place, jobs: int, max_minutes: float | None
) -> Iterator[tuple[Trial, dict[str, Any]]]:
    """Run what is not done yet and yield each trial with what came of it.

    Args:
        trials: In the order in which they are begun.
        place: Where they run.
        jobs: Processes side by side; with 1 they run in this one.
        max_minutes: Nothing is begun after it; what runs then is ended. None for no limit.
    """
    begin = time.monotonic()
    waiting = [trial for trial in trials if not is_done(place, trial)]

    def may_begin() -> bool:
        late = max_minutes is not None and time.monotonic() - begin >= 60 * max_minutes
        return bool(waiting) and not late

    if jobs == 1:
        while may_begin():
            trial = waiting.pop(0)
            yield trial, run_trial(trial, place)
        return
    context = multiprocessing.get_context('spawn')
    running: dict[int, tuple[Trial, Any]] = {}
    while running or may_begin():
        while len(running) < jobs and may_begin():
            trial = waiting.pop(0)
            place.result(trial).unlink(missing_ok=True)
            process = context.Process(target=_child, args=(trial, place))
            process.start()
            running[process.sentinel] = (trial, process)
        for sentinel in wait(list(running)):
            assert isinstance(sentinel, int)
            trial, process = running.pop(sentinel)
            process.join()
            content = stored(place.result(trial))
            if not content:
                content = {
                    'key': trial.key,
                    'seed': trial.seed,
                    'failed': f'its process ended with {process.exitcode}: see '
                    f'{trial.key}.log beside the results',
                }
                write_json(place.result(trial), content)
            yield trial, content


def _child(trial: Trial, place: Place) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    place.out.mkdir(parents=True, exist_ok=True)
    log = os.open(place.out / f'{trial.key}.log', os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    # What several processes print side by side nobody can read.
    os.dup2(log, 1)
    os.dup2(log, 2)
    keep_memory()
    run_trial(trial, place)


def _end_with_parent() -> None:
    """A killed command must leave nothing that runs beside the one that continues it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
