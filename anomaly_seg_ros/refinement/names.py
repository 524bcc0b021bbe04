# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How refinements and refined outputs are called: ``max_logit+sml+suppress``."""

from __future__ import annotations

from anomaly_seg_ros.errors import AnomalySegError

NONE = 'none'
SML = 'sml'
SUPPRESS = 'suppress'
SMOOTH = 'smooth'
VDE = 'vde'
STEPS = (SML, SUPPRESS, SMOOTH, VDE)
"""All steps, in the one order in which a refinement may have them."""

REFINEMENTS_DEFAULT = (
    NONE,
    'sml',
    'sml+suppress',
    'sml+suppress+smooth',
    'sml+suppress+smooth+vde',
)
"""The cumulative list of the SML paper with VDE at the end: what `export` offers by default."""

_JOIN = '+'


class RefinementError(AnomalySegError):
    """A refinement's name, configuration or input cannot be used."""


def parse_refinement(text: str) -> tuple[str, ...]:
    """Split a refinement into its steps.

    Args:
        text: Steps joined by ``+``, each at most once and in the order of `STEPS`, or ``none``.

    Returns:
        The steps; none for ``none``.

    Raises:
        RefinementError: A step is unknown, repeated or out of order.
    """
    if text == NONE:
        return ()
    steps = tuple(text.split(_JOIN))
    if not set(steps) <= set(STEPS) or sorted(set(steps), key=STEPS.index) != list(steps):
        msg = (
            f'received the refinement {text!r:.80}, expected {NONE!r} or some of '
            f'{", ".join(STEPS)}, in this order, joined by {_JOIN!r}'
        )
        raise RefinementError(msg)
    return steps


def join_steps(steps: tuple[str, ...]) -> str:
    """Return the name of the refinement that has these steps; the inverse of `parse_refinement`.

    Raises:
        RefinementError: A step is unknown, repeated or out of order.
    """
    text = _JOIN.join(steps) or NONE
    parse_refinement(text)
    return text


def output_name(score: str, refinement: str = NONE) -> str:
    """Return the name of a score's output after a refinement.

    Raises:
        RefinementError: It is no refinement.
    """
    return _JOIN.join((score, *parse_refinement(refinement)))


def split_output(name: str) -> tuple[str, str]:
    """Return the score and the refinement of an output; the inverse of `output_name`.

    Raises:
        RefinementError: What follows the score is no refinement.
    """
    score, joined, steps = name.partition(_JOIN)
    if not joined:
        return score, NONE
    parse_refinement(steps)
    if steps == NONE:
        msg = f'received the output {name!r:.80}, expected {score!r}: nothing is done to it'
        raise RefinementError(msg)
    return score, steps


def needs_statistics(name: str) -> bool:
    """Tell whether an output takes class statistics: what SML standardises by, VDE measures in.

    Raises:
        RefinementError: What follows the score is no refinement.
    """
    return not {SML, VDE}.isdisjoint(parse_refinement(split_output(name)[1]))


def output_names(scores: tuple[str, ...], refinements: tuple[str, ...]) -> tuple[str, ...]:
    """Return the outputs of all refinements of all scores, score by score.

    Raises:
        RefinementError: One of them is no refinement.
    """
    return tuple(output_name(score, refinement) for score in scores for refinement in refinements)
