# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What results tell of the training behind a bundle."""

from __future__ import annotations

from typing import Any

from anomaly_seg_ros.bundle import Card

_KEPT = (
    'kind', 'seed', 'steps', 'minutes', 'images', 'proxies', 'versions', 'validation', 'recipe',
)  # fmt: skip


def card_training(card: Card) -> dict[str, Any]:
    """Return what a reader of figures wants to know; empty where the card tells nothing."""
    return {key: card.training[key] for key in _KEPT if key in card.training}
