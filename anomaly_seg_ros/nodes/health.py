# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the detector is: levels, sentences and values for ``/diagnostics``, without ROS."""

from __future__ import annotations

from dataclasses import dataclass, field

from anomaly_seg_ros.nodes import statistics as st
from anomaly_seg_ros.nodes.statistics import Snapshot

OK, WARN, ERROR, STALE = range(4)

STALE_SECONDS = 2.0
"""An active node without a frame for so long reports STALE."""


@dataclass(frozen=True)
class Status:
    """One line of diagnostics.

    Args:
        task: What it is about; becomes part of the status's name.
        level: `OK`, `WARN`, `ERROR` or `STALE`.
        message: One sentence.
        values: Details, in order.
    """

    task: str
    level: int
    message: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Condition:
    """What the node knows of itself besides its frames.

    Args:
        state: The life cycle state.
        enabled: Whether frames are processed.
        active_since: Steady time of the activation, None when not active.
        failure: Why the last transition failed, '' when it succeeded.
        warnings: What limits the results, in sentences.
        engine: Details of the engine and the bundle.
    """

    state: str
    enabled: bool
    active_since: float | None
    failure: str = ''
    warnings: tuple[str, ...] = ()
    engine: dict[str, str] = field(default_factory=dict)


def judge(condition: Condition, before: Snapshot, now: Snapshot) -> list[Status]:
    """Return the statuses of the node.

    Args:
        condition: The node's own state.
        before: The statistics when diagnostics were published last; rates and levels count what
            happened since.
        now: The statistics now.
    """
    return [
        _life_cycle(condition),
        _frames(condition, before, now),
        _engine(condition, now),
    ]


def _life_cycle(condition: Condition) -> Status:
    level, message = OK, condition.state
    if condition.failure:
        level, message = ERROR, condition.failure
    elif condition.state == 'finalized':
        level, message = WARN, 'finalized: start the node again'
    elif condition.state != 'active':
        level = WARN
        message = f'{condition.state}: bring the node to active with ros2 lifecycle set'
    elif not condition.enabled:
        level, message = WARN, 'disabled by its enable service'
    elif condition.warnings:
        level, message = WARN, '; '.join(condition.warnings)
    values = {'state': condition.state, 'enabled': str(condition.enabled)}
    return Status('life cycle', level, message, values)


def _frames(condition: Condition, before: Snapshot, now: Snapshot) -> Status:
    new = {name: now.counts[name] - before.counts[name] for name in st.COUNTERS}
    level, message = _frames_level(condition, new, now)
    seconds = now.time - before.time
    values = {name: str(count) for name, count in now.counts.items()}
    if seconds > 0:
        values['input rate (Hz)'] = f'{new[st.RECEIVED] / seconds:.2f}'
        values['output rate (Hz)'] = f'{new[st.PROCESSED] / seconds:.2f}'
    values |= _percentiles(now, st.AGE_MS)
    values['last rejection'] = now.last_rejection or 'none'
    if now.counts[st.WENT_BACK]:
        values['last step back (s)'] = f'{now.last_step_back:.3f}'
    return Status('frames', level, message, values)


def _frames_level(condition: Condition, new: dict[str, int], now: Snapshot) -> tuple[int, str]:
    if condition.state != 'active' or condition.active_since is None:
        return OK, 'no frames are taken while the node is not active'
    if new[st.REJECTED]:
        level = WARN if new[st.PROCESSED] else ERROR
        return level, f'{new[st.REJECTED]} frames rejected: {now.last_rejection}'
    waiting_since = max(now.last_received or 0.0, condition.active_since)
    if now.time - waiting_since > STALE_SECONDS:
        if new[st.LOST]:
            return ERROR, (
                f'{new[st.LOST]} frames lost by the transport and none received: publish reliably '
                'or give Fast DDS a larger shared-memory segment'
            )
        return STALE, f'no frame for {now.time - waiting_since:.1f} s'
    problems = []
    if new[st.LOST]:
        problems.append(f'{new[st.LOST]} frames lost by the transport')
    if new[st.WENT_BACK]:
        problems.append(
            f'the stamp went back by {now.last_step_back:.3f} s: did a bag loop or restart?'
        )
    if new[st.SKIPPED]:
        problems.append(f'{new[st.SKIPPED]} frames skipped for newer ones')
    return (WARN, '; '.join(problems)) if problems else (OK, 'frames are processed')


def _engine(condition: Condition, now: Snapshot) -> Status:
    if not condition.engine:
        return Status('engine', ERROR if condition.failure else OK, 'no engine is loaded')
    values = {
        **condition.engine,
        **_percentiles(now, st.ENGINE_MS),
        **_percentiles(now, st.OUTSIDE_MS),
        'memory (MB)': f'{st.resident_megabytes():.1f}',
    }
    return Status('engine', OK, 'loaded', values)


def _percentiles(now: Snapshot, name: str) -> dict[str, str]:
    if name not in now.latencies:
        return {}
    p50, p95 = now.latencies[name]
    return {f'{name} p50 (ms)': f'{p50:.2f}', f'{name} p95 (ms)': f'{p95:.2f}'}
