# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of refinements and outputs: there and back, and every way to be wrong."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_seg_ros.refinement import (
    REFINEMENTS_DEFAULT,
    STEPS,
    RefinementError,
    join_steps,
    needs_statistics,
    output_name,
    output_names,
    parse_refinement,
    split_output,
)

ALL = [steps for count in range(5) for steps in combinations(STEPS, count)]


@pytest.mark.parametrize('steps', ALL)
def test_every_ordered_choice_is_a_refinement(steps: tuple[str, ...]) -> None:
    text = join_steps(steps)
    assert parse_refinement(text) == steps
    name = output_name('max_logit', text)
    assert split_output(name) == ('max_logit', text)
    assert needs_statistics(name) == ('sml' in steps or 'vde' in steps)


def test_names_by_hand() -> None:
    assert join_steps(()) == 'none'
    assert output_name('energy', 'none') == 'energy'
    assert output_name('energy', 'sml+smooth') == 'energy+sml+smooth'
    assert split_output('energy+suppress') == ('energy', 'suppress')
    assert output_names(('a', 'b'), ('none', 'sml')) == ('a', 'a+sml', 'b', 'b+sml')
    for refinement in REFINEMENTS_DEFAULT:
        parse_refinement(refinement)


@pytest.mark.parametrize(
    'text',
    ['', '+', 'sml+', '+sml', 'sml+sml', 'suppress+sml', 'none+sml', 'sml+none', 'SML', 'blur'],
)
def test_other_texts_list_what_is_valid(text: str) -> None:
    words = "expected 'none' or some of sml, suppress, smooth, vde, in this order, joined by '\\+'"
    with pytest.raises(RefinementError, match=words):
        parse_refinement(text)


def test_unrefined_outputs_have_one_name() -> None:
    with pytest.raises(RefinementError, match=r"expected 'energy': nothing is done to it"):
        split_output('energy+none')


@given(st.text(max_size=30))
def test_any_text_is_a_refinement_or_a_clear_refusal(text: str) -> None:
    try:
        steps = parse_refinement(text)
    except RefinementError as error:
        assert '\n' not in str(error)
    else:
        assert join_steps(steps) == text
