# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every loss is, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.registry import Registry
from anomaly_seg_training.recipe_file import RecipeError


class OodLoss(ABC):
    """A loss on known pixels and one on unknown pixels, to be added with a weight.

    The arguments of both are `logits` (N, C + `extra_outputs`, h, w), `labels` (N, h, w) int64
    with 255 = ignore, and `ood` (N, h, w) bool, True on unknown pixels, whose label is ignored.
    Both return a scalar, and 0, with a gradient of 0, where there is no pixel of their kind.
    """

    extra_outputs = 0
    """Outputs beside the classes that the loss trains; they are not exported."""

    def known(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the loss on labelled pixels: their mean cross entropy, unless overridden."""
        return cross_entropy(logits, labels, ood)

    @abstractmethod
    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the loss that unknown pixels bring."""


OOD_LOSSES: Registry[type[OodLoss]] = Registry('OoD loss')


def create_loss(name: str, options: Mapping[str, Any]) -> OodLoss:
    """Make a loss of `OOD_LOSSES` from a recipe's options.

    Raises:
        KeyError: The name is unknown; the message lists the names that exist.
        RecipeError: An option is unknown or out of range.
    """
    factory = OOD_LOSSES.get(name)
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        msg = f"recipe key 'loss_options': {name} cannot take {dict(options)!r}: {error}"
        raise RecipeError(msg) from error


def is_known(labels: Tensor, ood: Tensor) -> Tensor:
    """Return where a pixel has a label and shows no unknown object."""
    return (labels != IGNORE) & ~ood


def cross_entropy(logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
    """Return the mean cross entropy over labelled pixels that show nothing unknown."""
    known = is_known(labels, ood)
    return cross_entropy_sum(logits, labels, known) / known.sum().clamp(min=1)


def cross_entropy_sum(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Return the sum of the cross entropies of known pixels."""
    target = labels.masked_fill(~known, IGNORE)
    return functional.cross_entropy(logits, target, ignore_index=IGNORE, reduction='sum')


def rows_of(logits: Tensor, where: Tensor) -> Tensor:
    """Return the logits (P, C) of the P pixels where `where` (N, h, w) is True."""
    return logits.permute(0, 2, 3, 1)[where]


def mean(values: Tensor) -> Tensor:
    """Return the mean, 0 of nothing."""
    return values.sum() / max(values.numel(), 1)


def require_option(good: bool, what: str) -> None:
    """Refuse an option.

    Raises:
        ValueError: It is not good.
    """
    if not good:
        raise ValueError(what)
