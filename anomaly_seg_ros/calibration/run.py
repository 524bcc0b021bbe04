# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A calibration from the frames of a source to the card of a bundle; no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros import __version__
from anomaly_seg_ros.bundle import Bundle, Card, Threshold
from anomaly_seg_ros.calibration.candidates import ScoreSurvey
from anomaly_seg_ros.calibration.config import FRAME, CalibrationConfig, CalibrationError
from anomaly_seg_ros.calibration.frames import FramePlan, normal_pixels
from anomaly_seg_ros.calibration.shares import ScoreRange
from anomaly_seg_ros.calibration.thresholds import (
    FrameThresholds,
    PixelThresholds,
    ThresholdResult,
    Thresholds,
    check_frames,
    least_frames,
)
from anomaly_seg_ros.engines.base import LABELS, Engine
from anomaly_seg_ros.refinement.names import needs_statistics, output_name, split_output
from anomaly_seg_ros.refinement.statistics import ClassStatistics
from anomaly_seg_ros.sources import FrameSource, SourceFrame

Loader = Callable[[Bundle], Engine]
Progress = Callable[[int], object]


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Args:
        card: The bundle's card with statistics, thresholds and ranges.
        report: The same with all that is known of how it was found, for JSON.
        warnings: What a user should know, in sentences.
    """

    card: Card
    report: dict[str, Any]
    warnings: tuple[str, ...]


def calibrate(
    bundle: Bundle,
    source: FrameSource,
    config: CalibrationConfig,
    load: Loader,
    progress: Progress = lambda _: None,
    origin: str = '',
) -> Calibration:
    """Take class statistics and thresholds of a bundle from normal drives.

    The source is read twice: its first part for class statistics of every score, then some frames
    of this part again, with the statistics, for ranges and candidate thresholds, and the second
    part for the thresholds. Memory does not grow with the number of frames.

    Args:
        bundle: The bundle; nothing is written to it.
        source: Frames without anything unknown; where there is ground truth, only pixels that it
            calls normal count.
        config: What is asked for.
        load: Loads a bundle into an engine.
        progress: Called after every frame with how many will be run, as far as known.
        origin: What the card calls the source; nothing takes its description, with its path.

    Raises:
        CalibrationError: The bundle does not offer what is asked for, there are too few frames,
            or no threshold keeps the promise.
        AnomalySegError: A frame cannot be read or run.
    """
    outputs = chosen_outputs(bundle.card, config)
    plan = FramePlan.make(source, config)
    check_frames(plan.thresholds, config.promise)
    card, fresh = bundle.card, not config.keep_statistics
    if config.shrinkage is not None:
        card = replace(card, shrinkage=config.shrinkage)
    runs = plan.runs if fresh else plan.runs - plan.statistics
    if fresh:
        card = replace(card, statistics=_statistics(bundle, plan, load, lambda: progress(runs)))
    found = _Found(outputs, config, plan, origin or source.description)
    with _loaded(load, Bundle(bundle.path, card)) as engine:
        for frame, counts in plan.survey():
            found.add(frame, engine.run(frame.image[np.newaxis], outputs), counts)
            progress(runs)
        engine_name, device = engine.name, engine.device
    entries = found.entries()
    restandardised = fresh or card.shrinkage != bundle.card.shrinkage
    card = _updated(card, entries, restandardised=restandardised)
    return Calibration(
        card=card,
        report={
            'bundle': card.name,
            'engine': engine_name,
            'device': device,
            'outputs': entries,
            'statistics': card.statistics,
            'version': __version__,
        },
        warnings=_warnings(card, entries, config),
    )


def chosen_outputs(card: Card, config: CalibrationConfig) -> tuple[str, ...]:
    """Return the outputs that get thresholds.

    Raises:
        CalibrationError: The card lacks a score, a refinement or the statistics to keep.
    """
    scores, refinements = config.scores or (card.score,), config.refinements or card.refinements
    for kind, wanted, offered in (
        ('score', scores, card.scores),
        ('refinement', refinements, card.refinements),
    ):
        for name in wanted:
            if name not in offered:
                msg = (
                    f'the bundle {card.name} has no {kind} {name!r}, '
                    f'expected some of: {", ".join(offered)}'
                )
                raise CalibrationError(msg)
    outputs = tuple(dict.fromkeys(output_name(s, r) for s in scores for r in refinements))
    if config.keep_statistics:
        for output in outputs:
            if needs_statistics(output) and split_output(output)[0] not in (card.statistics or {}):
                msg = (
                    f'the bundle {card.name} has no class statistics for {output} to keep: '
                    'calibrate without --keep-statistics'
                )
                raise CalibrationError(msg)
    return outputs


class _Found:
    """Ranges, then thresholds, of all outputs."""

    def __init__(
        self, outputs: tuple[str, ...], config: CalibrationConfig, plan: FramePlan, origin: str
    ) -> None:
        self._config = config
        self._plan = plan
        self._origin = origin
        self._surveys = {name: ScoreSurvey(name) for name in outputs}
        self._ranges: dict[str, ScoreRange] = {}
        self._thresholds: dict[str, Thresholds] = {}
        self._pixels = 0

    def add(self, frame: SourceFrame, maps: dict[str, NDArray[Any]], counts: bool) -> None:
        """Add a frame of the first part, or (`counts`) of the second."""
        normal = normal_pixels(frame)
        if counts:
            self._pixels += (
                maps[next(iter(self._surveys))].size if normal is None else int(normal.sum())
            )
        for name, survey in self._surveys.items():
            score = maps[name][0]
            if counts:
                self._threshold(name).update(score, normal)
            else:
                survey.update(score, normal)

    def _threshold(self, name: str) -> Thresholds:
        if name not in self._thresholds:
            self._thresholds[name] = self._start(name)
        return self._thresholds[name]

    def _start(self, name: str) -> Thresholds:
        promise, cleanup = self._config.promise, self._config.cleanup
        survey = self._surveys[name]
        limits = self._ranges[name] = survey.score_range()
        if promise.level == FRAME:
            return FrameThresholds(promise, cleanup, limits)
        candidates = survey.candidates(promise.rate)
        return PixelThresholds(promise, candidates, self._plan.thresholds, cleanup, limits)

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return per output what the card holds."""
        if not self._thresholds:
            check_frames(0, self._config.promise)
        return {
            name: self._entry(name, thresholds.result())
            for name, thresholds in self._thresholds.items()
        }

    def _entry(self, name: str, result: ThresholdResult) -> dict[str, Any]:
        promise, cleanup, plan = self._config.promise, self._config.cleanup, self._plan
        low, high = self._ranges[name]
        # In the heat map the threshold has its place below the end of the scale.
        high = max(high, result.threshold + 0.25 * max(result.threshold - low, 0.0))
        return {
            'threshold': result.threshold,
            'method': result.method,
            'score_range': [low, high],
            'false_positive_rate': promise.rate,
            'level': promise.level,
            'guarantee': promise.guarantee,
            'confidence': promise.confidence,
            'frame_limit': result.frame_limit,
            'measured': result.measured,
            'cleanup': {'hysteresis': cleanup.hysteresis, 'min_area': cleanup.min_area},
            'source': self._origin,
            'frames': result.frames,
            'effective_frames': round(result.effective_frames, 1),
            'statistics_frames': plan.statistics,
            'every': plan.step,
            'pixels': self._pixels,
            'date': datetime.now(timezone.utc).strftime('%Y-%m-%d'),
            'version': __version__,
        }


def _statistics(
    bundle: Bundle, plan: FramePlan, load: Loader, progress: Callable[[], object]
) -> dict[str, dict[str, list[Any]]]:
    """Return class statistics of every score, at the size at which they are applied."""
    card = bundle.card
    tables = {score: ClassStatistics(len(card.classes)) for score in card.scores}
    height, width = card.input_size.shape
    with _loaded(load, bundle) as engine:
        for frame in plan.first_part():
            # The same interpolation as in the graph, which then has nothing left to resize.
            image = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_LINEAR)
            small = np.asarray(image, np.uint8)[np.newaxis]
            maps = engine.run(small, (LABELS, *card.scores))
            normal = normal_pixels(frame)
            ignore = None if normal is None else _resized_ignore(normal, (width, height))
            for score, table in tables.items():
                table.update(maps[score][0], maps[LABELS][0], ignore)
            progress()
    return {score: table.to_json() for score, table in tables.items()}


def _resized_ignore(normal: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    ignore = cv2.resize((~normal).view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(ignore, np.uint8) > 0


@contextmanager
def _loaded(load: Loader, bundle: Bundle) -> Iterator[Engine]:
    engine = load(bundle)
    try:
        yield engine
    finally:
        engine.close()


def _updated(card: Card, entries: dict[str, dict[str, Any]], *, restandardised: bool) -> Card:
    """Return the card with new entries, without old ones that were standardised otherwise."""
    kept = {
        name: entry
        for name, entry in card.calibration.items()
        if not (restandardised and needs_statistics(name))
    }
    card = replace(card, calibration={**kept, **entries})
    entry = entries.get(card.output)
    if entry is not None:
        low, high = entry['score_range']
        threshold = Threshold(entry['threshold'], _in_words(entry))
        return replace(card, threshold=threshold, score_range=(low, high))
    if restandardised and needs_statistics(card.output):
        return replace(card, threshold=None, score_range=None)
    return card


def _in_words(entry: dict[str, Any]) -> str:
    what = 'pixels' if entry['level'] != FRAME else 'frames'
    return (
        f'at most {entry["false_positive_rate"]:g} of normal {what}, {entry["method"]}; '
        f'{entry["frames"]} frames of {entry["source"]}, {entry["date"]}'
    )


def _warnings(
    card: Card, entries: dict[str, dict[str, Any]], config: CalibrationConfig
) -> tuple[str, ...]:
    warnings = []
    worth = min(entry['effective_frames'] for entry in entries.values())
    frames = next(iter(entries.values()))['frames']
    if worth < 0.5 * frames:
        msg = (
            f'the frames resemble each other: {frames} are worth about {worth:.0f} independent '
            'ones, and the promise takes them for independent'
        )
        if worth < least_frames(config.promise):
            msg += ', so it may not hold; add drives'
        warnings.append(msg)
    if card.output not in entries:
        warnings.append(
            f'the default output {card.output} was not calibrated: its threshold is '
            + ('gone, since its statistics changed' if card.threshold is None else 'as before')
        )
    missing = [
        name for name, count in zip(card.classes.names, _counts(card), strict=True) if count == 0
    ]
    if missing and any(needs_statistics(output) for output in card.outputs):
        warnings.append(
            f'never predicted, so standardised like all pixels together: {", ".join(missing)}'
        )
    return tuple(warnings)


def _counts(card: Card) -> list[int]:
    tables = card.statistics or {}
    first = next(iter(tables.values()), None)
    return [1] * len(card.classes) if first is None else list(first['count'])
