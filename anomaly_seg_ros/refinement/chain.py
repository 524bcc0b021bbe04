# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chains of refinement steps, in which what several outputs share is computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from torch import Tensor

from anomaly_seg_ros.refinement.boundary import Boundaries
from anomaly_seg_ros.refinement.names import (
    SML,
    SMOOTH,
    SUPPRESS,
    VDE,
    RefinementError,
    join_steps,
    output_name,
    parse_refinement,
)
from anomaly_seg_ros.refinement.smoothing import smooth
from anomaly_seg_ros.refinement.standardise import standardise
from anomaly_seg_ros.refinement.vde import VdeConfig, vde_refine


class RefinedScores:
    """The refined scores of one batch of images, computed when asked for and then kept.

    Args:
        labels: Returns the predicted classes, (N, H, W) uint8.
        score: Returns the score of a name, (N, H, W) float, higher = more anomalous.
        score_names: The scores that there are.
        statistics: (S, 2, C): means and standard deviations per score, in the order of
            `score_names`, and class.
        drivable: The drivable classes, for VDE.
        vde: The constants of VDE.
    """

    def __init__(
        self,
        labels: Callable[[], Tensor],
        score: Callable[[str], Tensor],
        score_names: Sequence[str],
        statistics: Tensor | None = None,
        drivable: Sequence[int] = (),
        vde: VdeConfig | None = None,
    ) -> None:
        self._labels = labels
        self._score = score
        self._rows = {name: row for row, name in enumerate(score_names)}
        self._statistics = statistics
        self._drivable = tuple(drivable)
        self._vde = vde or VdeConfig()
        self._kept: dict[tuple[str, ...], Tensor] = {}

    def get(self, score: str, refinement: str) -> Tensor:
        """Return a score after a refinement, (N, H, W) float32.

        Raises:
            KeyError: The score is unknown.
            RefinementError: The refinement is unknown, or needs statistics and has none.
        """
        return self._after(score, parse_refinement(refinement))

    def _after(self, score: str, steps: tuple[str, ...]) -> Tensor:
        key = (score, *steps)
        if key not in self._kept:
            self._kept[key] = self._step(score, steps) if steps else self._score(score)
        return self._kept[key]

    def _step(self, score: str, steps: tuple[str, ...]) -> Tensor:
        before, step = self._after(score, steps[:-1]), steps[-1]
        if step == SML:
            return standardise(before, self.labels, self._statistics_of(score, steps))
        if step == SUPPRESS:
            return self._boundaries.suppress(before)
        if step == SMOOTH:
            return smooth(before)
        assert step == VDE
        if SML in steps:
            return vde_refine(before, self.labels, self._drivable, self._vde)
        if not self._drivable:
            return before
        # VDE counts in standard deviations of the road: its own where nothing is standardised.
        means, deviations = self._statistics_of(score, steps)[:, list(self._drivable)].unbind(0)
        return vde_refine(
            before, self.labels, self._drivable, self._vde, means.mean(), deviations.mean()
        )

    def _statistics_of(self, score: str, steps: tuple[str, ...]) -> Tensor:
        if self._statistics is None:
            msg = (
                f'{output_name(score, join_steps(steps))} needs class statistics: take them from '
                'normal images first'
            )
            raise RefinementError(msg)
        return self._statistics[self._rows[score]]

    @cached_property
    def labels(self) -> Tensor:
        """The predicted classes, (N, H, W) uint8."""
        return self._labels()

    @cached_property
    def _boundaries(self) -> Boundaries:
        return Boundaries(self.labels)
