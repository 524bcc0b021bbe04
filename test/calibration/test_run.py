# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A whole calibration with an engine of arithmetic: which frames are used for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_seg_ros.bundle import Bundle, Card, Preprocessing, SegmenterSpec, Threshold
from anomaly_seg_ros.calibration import (
    Calibration,
    CalibrationConfig,
    CalibrationError,
    Promise,
    calibrate,
)
from anomaly_seg_ros.calibration.frames import FramePlan
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.cleanup import CleanupConfig
from anomaly_seg_ros.refinement import Shrinkage
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import SourceFrame

HEIGHT, WIDTH = 24, 32
OLD = {'threshold': 1.0, 'method': 'old', 'score_range': [0.0, 2.0]}


class Drive:
    """Frames whose red channel is the score, green the class, and blue the frame's number."""

    recorded = False
    description = 'a drive of noise'

    def __init__(self, frames: int, *, known: bool = True, unknown: int = 0, seed: int = 0):
        self.frames = frames
        self.expected = frames if known else None
        self.unknown = unknown
        self.seed = seed
        self.reads = 0

    def __iter__(self) -> Iterator[SourceFrame]:
        self.reads += 1
        for index in range(self.frames):
            rng = np.random.default_rng((self.seed, index))
            image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
            classes = np.repeat([0, 1, 2], HEIGHT // 3)
            image[..., 1] = classes[:, np.newaxis]
            noise = rng.exponential(12, (HEIGHT, WIDTH))
            image[..., 0] = np.clip(20 * image[..., 1] + noise, 0, 250)
            image[..., 2] = index
            anomaly = None
            if self.unknown:
                anomaly = np.zeros((HEIGHT, WIDTH), np.uint8)
                anomaly[: self.unknown, :8] = 1
                image[: self.unknown, :8, 0] = 255
            yield SourceFrame(image, index, f'{index}', None, anomaly)


class Arithmetic:
    """An engine: labels are green, `a` is red, `b` minus half of it; sml as the card says."""

    name, device = 'arithmetic', 'cpu'

    def __init__(self, bundle: Bundle) -> None:
        self.card = bundle.card
        self.seen: list[tuple[int, tuple[str, ...]]] = []
        self.closed = False

    def run(self, image: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.seen.append((int(image[0, 0, 0, 2]), tuple(outputs)))
        labels = image[..., 1]
        maps: dict[str, np.ndarray] = {'labels': labels}
        for score, factor in (('a', 1.0), ('b', -0.5)):
            maps[score] = (factor * image[..., 0]).astype(np.float32)
            table = (self.card.statistics or {}).get(score)
            if table is not None:
                mean, std = (np.array(table[key], np.float32)[labels] for key in ('mean', 'std'))
                maps[f'{score}+sml'] = (maps[score] - mean) / std
        return {name: maps[name] for name in outputs}

    def close(self) -> None:
        self.closed = True


def card(**changes: Any) -> Card:
    plain = Card(
        name='arithmetic', description='A card.', segmenter=SegmenterSpec('erfnet'),
        classes=CITYSCAPES, preprocessing=Preprocessing(), input_size=Size(WIDTH, HEIGHT),
        scores=('a', 'b'), score='a', refinements=('none', 'sml'), refinement='sml',
        threshold=Threshold(9.0, 'old'), score_range=(0.0, 9.0),
    )  # fmt: skip
    return replace(plain, **changes)


def calibrated(
    source: Any, config: CalibrationConfig | None = None, **changes: Any
) -> tuple[Calibration, list[Arithmetic]]:
    engines: list[Arithmetic] = []

    def load(bundle: Bundle) -> Any:
        engines.append(Arithmetic(bundle))
        return engines[-1]

    totals: list[int] = []
    config = config or CalibrationConfig(Promise(0.01))
    bundle = Bundle(Path('here'), card(**changes))
    result = calibrate(bundle, source, config, load, totals.append)
    assert set(totals) == {len(totals)} == {sum(len(engine.seen) for engine in engines)}
    return result, engines


def test_card_and_report() -> None:
    result, engines = calibrated(Drive(120))
    entry = result.card.calibration['a+sml']
    assert set(result.card.calibration) == {'a', 'a+sml'}
    assert result.card.threshold is not None
    assert result.card.threshold.value == entry['threshold']
    assert result.card.threshold.method.startswith('at most 0.01 of normal pixels, risk-contr')
    assert result.card.score_range == tuple(entry['score_range'])
    low, high = entry['score_range']
    assert low < entry['threshold'] < high
    assert 0.001 < entry['measured'] < 0.01
    assert entry['frames'] == 90
    assert entry['statistics_frames'] == 30
    assert entry['pixels'] == 90 * HEIGHT * WIDTH
    assert entry['source'] == 'a drive of noise'
    assert (entry['level'], entry['false_positive_rate']) == ('pixel', 0.01)
    assert entry['version'] == result.report['version']
    assert len(entry['date']) == 10
    assert result.report['outputs'] == result.card.calibration
    assert all(engine.closed for engine in engines)
    # The card can be stored, and read back the same.
    assert Card.from_json(result.card.to_json()) == result.card
    assert [w for w in result.warnings if 'never predicted' in w]


def test_thresholds_are_kept_on_other_drives() -> None:
    result, _ = calibrated(Drive(120))
    engine = Arithmetic(Bundle(Path('here'), result.card))
    for output, entry in result.card.calibration.items():
        shares = [
            np.mean(engine.run(frame.image[np.newaxis], (output,))[output] > entry['threshold'])
            for frame in Drive(100, seed=1)
        ]
        assert 0.001 < np.mean(shares) < 0.01


def test_statistics_come_from_the_first_part_and_thresholds_from_the_second() -> None:
    source = Drive(120)
    result, (first, second) = calibrated(source)
    assert [index for index, _ in first.seen] == list(range(30))
    assert {outputs for _, outputs in first.seen} == {('labels', 'a', 'b')}
    assert [index for index, _ in second.seen] == list(range(120))
    assert {outputs for _, outputs in second.seen} == {('a', 'a+sml')}
    assert source.reads == 2
    images = np.array([f.image for f in Drive(120)][:30], np.float64)
    statistics = result.card.statistics
    assert statistics is not None
    for score, factor in (('a', 1.0), ('b', -0.5)):
        for label in range(3):
            values = factor * images[..., 0][images[..., 1] == label]
            assert statistics[score]['mean'][label] == pytest.approx(values.mean())
            assert statistics[score]['std'][label] == pytest.approx(values.std(), rel=1e-3)
            assert statistics[score]['count'][label] == values.size


def test_thinning_and_counting() -> None:
    config = CalibrationConfig(Promise(0.05), every=2, max_frames=50)
    source = Drive(200, known=False)
    result, (first, second) = calibrated(source, config)
    assert source.reads == 3
    assert [index for index, _ in first.seen] == list(range(0, 52, 4))[:12]
    assert [index for index, _ in second.seen][12:] == list(range(48, 200, 4))
    assert result.card.calibration['a']['every'] == 4


def test_few_frames_of_a_long_first_part_are_looked_at_twice() -> None:
    config = CalibrationConfig(Promise(0.05), statistics_share=0.75)
    _, (first, second) = calibrated(Drive(220), config)
    assert len(first.seen) == 165
    assert [index for index, _ in second.seen][:56] == [*range(0, 165, 3), 165]


def test_only_what_is_normal_counts() -> None:
    clean, _ = calibrated(Drive(120))
    marked, _ = calibrated(Drive(120, unknown=3))
    assert clean.card.statistics is not None
    assert marked.card.statistics is not None
    assert marked.card.statistics['a']['count'][0] == 30 * (HEIGHT * WIDTH // 3 - 24)
    mean = clean.card.statistics['a']['mean'][0]
    assert marked.card.statistics['a']['mean'][0] == pytest.approx(mean, rel=0.05)
    entry = marked.card.calibration['a']
    assert entry['threshold'] < 250
    assert entry['pixels'] == 90 * (HEIGHT * WIDTH - 24)
    assert entry['measured'] < 0.01


def test_frame_level() -> None:
    promise = Promise(0.05, 'frame')
    result, _ = calibrated(Drive(160), CalibrationConfig(promise))
    entry = result.card.calibration['a']
    assert entry['frame_limit'] is None
    # Two of 120 frames may alarm.
    assert entry['measured'] <= 2 / 120
    assert 'normal frames' in result.card.threshold.method  # type: ignore[union-attr]


def test_clean_up_lowers_the_threshold() -> None:
    plain, _ = calibrated(Drive(120))
    config = CalibrationConfig(Promise(0.01), cleanup=CleanupConfig(min_area=3))
    cleaned, _ = calibrated(Drive(120), config)
    one, other = plain.card.calibration['a'], cleaned.card.calibration['a']
    assert other['threshold'] < one['threshold']
    assert other['cleanup'] == {'hysteresis': 0.0, 'min_area': 3}


def test_chosen_scores_and_refinements() -> None:
    config = CalibrationConfig(Promise(0.01), scores=('b', 'a'), refinements=('none',))
    result, _ = calibrated(Drive(120), config)
    assert list(result.card.calibration) == ['b', 'a']
    # The default output lost what its threshold rested on.
    assert result.card.threshold is None
    assert result.card.score_range is None
    assert any('a+sml was not calibrated: its threshold is gone' in w for w in result.warnings)


def test_old_entries_stay_where_they_still_hold() -> None:
    old = {'calibration': {'b': OLD, 'b+sml': OLD}, 'refinement': 'none'}
    only_sml = CalibrationConfig(Promise(0.01), refinements=('sml',))
    result, _ = calibrated(Drive(120), only_sml, **old)
    assert set(result.card.calibration) == {'b', 'a+sml'}
    assert result.card.threshold == Threshold(9.0, 'old')
    assert any('its threshold is as before' in w for w in result.warnings)


def test_statistics_can_be_kept() -> None:
    table = {'count': [1] * 19, 'mean': [5.0] * 19, 'std': [2.0] * 19}
    config = CalibrationConfig(Promise(0.01), keep_statistics=True)
    statistics, entries = {'a': table}, {'b+sml': OLD}
    result, engines = calibrated(Drive(120), config, statistics=statistics, calibration=entries)
    assert len(engines) == 1
    assert result.card.statistics == {'a': table}
    assert 'b+sml' in result.card.calibration
    with pytest.raises(CalibrationError, match=r'no class statistics for a\+sml to keep'):
        calibrated(Drive(120), config)


def test_other_shrinkage_makes_old_thresholds_of_standardised_scores_void() -> None:
    table = {'count': [1] * 19, 'mean': [5.0] * 19, 'std': [2.0] * 19}
    config = CalibrationConfig(Promise(0.01), keep_statistics=True, shrinkage=Shrinkage(0.5, 0.75))
    entries = {'b': OLD, 'b+sml': OLD}
    result, _ = calibrated(Drive(120), config, statistics={'a': table}, calibration=entries)
    assert result.card.shrinkage == Shrinkage(0.5, 0.75)
    assert result.card.statistics == {'a': table}
    assert set(result.card.calibration) == {'a', 'a+sml', 'b'}
    # What a card says stays where nothing else is asked for.
    again, _ = calibrated(Drive(120), shrinkage=Shrinkage(0.25, 0.0))
    assert again.card.shrinkage == Shrinkage(0.25, 0.0)


def test_correlated_frames_are_reported() -> None:
    class Slow(Drive):
        def __iter__(self) -> Iterator[SourceFrame]:
            for frame in super().__iter__():
                number = int(frame.image[0, 0, 2])
                bright = frame.image.copy()
                bright[..., 0] += 3 * (number // 20)
                yield replace(frame, image=bright)

    result, _ = calibrated(Slow(160), CalibrationConfig(Promise(0.01), refinements=('none',)))
    assert any('worth about' in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ('source', 'config', 'message'),
    [
        (Drive(0), CalibrationConfig(Promise(0.01)), 'gives 0 frames, expected at least 2'),
        (Drive(1, known=False), CalibrationConfig(Promise(0.01)), 'gives 1 frames'),
        (Drive(20), CalibrationConfig(Promise(0.01)), '15 frames are left .* at least 37'),
        (
            Drive(99),
            CalibrationConfig(Promise(0.01), scores=('c',)),
            "no score 'c', expected some of: a, b",
        ),
        (
            Drive(99),
            CalibrationConfig(Promise(0.01), refinements=('vde',)),
            "no refinement 'vde', expected some of: none, sml",
        ),
    ],
)
def test_errors(source: Drive, config: CalibrationConfig, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        calibrated(source, config)


def test_a_source_that_ends_early() -> None:
    source = Drive(25)
    source.expected = 100
    with pytest.raises(CalibrationError, match='0 frames are left'):
        calibrated(source)


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'every': 0}, 'every 0 frames'),
        ({'max_frames': 1}, 'at most 1 frames'),
        ({'statistics_share': 1.0}, 'share of frames for statistics 1.0'),
    ],
)
def test_wrong_configurations(fields: dict, words: str) -> None:
    with pytest.raises(CalibrationError, match=words):
        CalibrationConfig(Promise(0.01), **fields)


def test_plan() -> None:
    plan = FramePlan.make(Drive(101), CalibrationConfig(Promise(0.1), max_frames=25))
    assert (plan.step, plan.total, plan.statistics, plan.thresholds) == (5, 21, 5, 16)
    shortest = FramePlan.make(Drive(2), CalibrationConfig(Promise(0.1), statistics_share=0.9))
    assert (shortest.statistics, shortest.thresholds) == (1, 1)
