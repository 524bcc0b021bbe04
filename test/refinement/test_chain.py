# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chains: the steps in their order, shared beginnings computed once, clear refusals."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

torch = pytest.importorskip('torch')

from torch import Tensor  # noqa: E402

from anomaly_seg_ros.refinement import STEPS, RefinementError, chain, join_steps  # noqa: E402
from anomaly_seg_ros.refinement.boundary import Boundaries  # noqa: E402
from anomaly_seg_ros.refinement.chain import RefinedScores  # noqa: E402
from anomaly_seg_ros.refinement.smoothing import smooth  # noqa: E402
from anomaly_seg_ros.refinement.standardise import standardise  # noqa: E402
from anomaly_seg_ros.refinement.vde import VdeConfig, vde_refine  # noqa: E402

DRIVABLE = (0, 2)
VDE = VdeConfig(road_threshold=0.3, raise_hole=2.0, lower_road=0.5, lower_outside=1.0)
ALL = [join_steps(steps) for count in range(5) for steps in combinations(STEPS, count)]
STATISTICS = torch.tensor([
    [[1.0, 2, 3, 4], [1.0, 1, 1, 1]],
    [[-5.0, -4, -3, -2], [0.5, 1, 2, 3]],
])  # fmt: skip


@pytest.fixture
def labels() -> Tensor:
    random = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 4, (2, 3, 4), generator=random, dtype=torch.uint8)
    return coarse.repeat_interleave(10, 1).repeat_interleave(11, 2)


@pytest.fixture
def scores(labels: Tensor) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    noise = torch.randn(2, *labels.shape, generator=random)
    return {'a': 2 + noise[0], 'b': -4 + noise[1]}


def refined(
    labels: Tensor, scores: dict[str, Tensor], statistics: Tensor | None = STATISTICS
) -> RefinedScores:
    return RefinedScores(lambda: labels, scores.__getitem__, ('a', 'b'), statistics, DRIVABLE, VDE)


@pytest.mark.parametrize('name', ALL)
def test_steps_are_applied_in_order(name: str, labels: Tensor, scores: dict[str, Tensor]) -> None:
    expected = scores['b']
    steps = name.split('+')
    for step in steps:
        if step == 'sml':
            expected = standardise(expected, labels, STATISTICS[1])
        elif step == 'suppress':
            expected = Boundaries(labels).suppress(expected)
        elif step == 'smooth':
            expected = smooth(expected)
        elif step == 'vde' and 'sml' in steps:
            expected = vde_refine(expected, labels, DRIVABLE, VDE)
        elif step == 'vde':
            # In units of the road's own mean and deviation: means -5 and -3, deviations 0.5, 2.
            expected = vde_refine(
                expected, labels, DRIVABLE, VDE, torch.tensor(-4.0), torch.tensor(1.25)
            )
    result = refined(labels, scores).get('b', name)
    assert torch.equal(result, expected)


def test_shared_beginnings_are_computed_once(
    labels: Tensor, scores: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def counted(name: str, function: Any) -> Any:
        def call(*args: Any) -> Any:
            calls.append(name)
            return function(*args)

        return call

    for name in ('standardise', 'smooth', 'vde_refine', 'Boundaries'):
        monkeypatch.setattr(chain, name, counted(name, getattr(chain, name)))
    all_of_them = refined(labels, scores)
    for name in ('sml+suppress+smooth+vde', 'none', 'sml', 'sml+suppress', 'sml+suppress+smooth'):
        all_of_them.get('a', name)
    assert sorted(calls) == ['Boundaries', 'smooth', 'standardise', 'vde_refine']
    all_of_them.get('b', 'sml+suppress')
    assert sorted(calls) == ['Boundaries', 'smooth', *['standardise'] * 2, 'vde_refine']


def test_only_what_is_needed_is_computed(scores: dict[str, Tensor]) -> None:
    def no_labels() -> Tensor:
        raise AssertionError

    chains = RefinedScores(no_labels, scores.__getitem__, ('a', 'b'))
    assert chains.get('a', 'none') is scores['a']
    assert torch.equal(chains.get('a', 'smooth'), smooth(scores['a']))


@pytest.mark.parametrize('name', ['sml', 'vde', 'suppress+vde'])
def test_missing_statistics_are_named(
    name: str, labels: Tensor, scores: dict[str, Tensor]
) -> None:
    words = f'a\\+{name.replace("+", "[+]")} needs class statistics'
    with pytest.raises(RefinementError, match=words):
        refined(labels, scores, None).get('a', name)
    with pytest.raises(RefinementError, match="received the refinement 'blur'"):
        refined(labels, scores).get('a', 'blur')


def test_without_drivable_classes_vde_changes_nothing(
    labels: Tensor, scores: dict[str, Tensor]
) -> None:
    chains = RefinedScores(lambda: labels, scores.__getitem__, ('a', 'b'), None)
    assert chains.get('a', 'vde') is scores['a']
