# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of a bundle's scores is used, and the threshold and display range that belong to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anomaly_seg_ros.bundle import Card
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.refinement.names import needs_statistics, output_name, parse_refinement


class SelectionError(AnomalySegError):
    """A bundle does not offer what is asked for."""


@dataclass(frozen=True)
class Selection:
    """One score output of a bundle and how to decide on it.

    Args:
        score: Name of the anomaly score.
        refinement: What is done to it, ``none`` for nothing.
        output: Name of the output that an engine is asked for.
        threshold: Values above it are anomalous; None when nobody has given or calibrated one.
        score_range: (low, high) for display; None when it was not calibrated.
    """

    score: str
    refinement: str
    output: str
    threshold: float | None
    score_range: tuple[float, float] | None


def select(
    card: Card, score: str = '', refinement: str = '', threshold: float | None = None
) -> Selection:
    """Choose an output of a bundle.

    Args:
        card: The bundle's card.
        score: One of the card's scores; '' takes its default.
        refinement: One of the card's refinements; '' takes its default.
        threshold: The user's own; None or NaN takes what was calibrated for this very output,
            since no two outputs have the same scale.

    Raises:
        SelectionError: The card offers no such score or refinement, or lacks the statistics that
            it needs, or the threshold is infinite.
        RefinementError: The refinement is none at all.
    """
    score, refinement = score or card.score, refinement or card.refinement
    if score not in card.scores:
        msg = (
            f'the bundle {card.name} has no score {score!r}, '
            f'expected one of: {", ".join(card.scores)}'
        )
        raise SelectionError(msg)
    parse_refinement(refinement)
    if refinement not in card.refinements:
        msg = (
            f'the bundle {card.name} has no refinement {refinement!r}, '
            f'expected one of: {", ".join(card.refinements)}'
        )
        raise SelectionError(msg)
    output = output_name(score, refinement)
    if needs_statistics(output) and score not in (card.statistics or {}):
        msg = (
            f'the bundle {card.name} has no class statistics of {score}, which {refinement} '
            'needs: run anomaly-seg calibrate'
        )
        raise SelectionError(msg)
    given = None if threshold is None or math.isnan(threshold) else threshold
    if given is not None and math.isinf(given):
        msg = f'received the threshold {given}, expected a finite number'
        raise SelectionError(msg)
    own_threshold, score_range = _calibrated(card, output)
    return Selection(
        score, refinement, output, own_threshold if given is None else given, score_range
    )


def _calibrated(card: Card, output: str) -> tuple[float | None, tuple[float, float] | None]:
    """Return the threshold and the display range that the card has for an output."""
    entry = card.calibration.get(output)
    if entry is not None:
        low, high = entry['score_range']
        return float(entry['threshold']), (float(low), float(high))
    if output != card.output:
        return None, None
    return (None if card.threshold is None else card.threshold.value), card.score_range
