# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How Masked Gradient Update moves pixels."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_seg_training.recipe_file import Recipe, require

RAW, SIGN, NORMALISED = 'raw', 'sign', 'normalised'
RULES = (RAW, SIGN, NORMALISED)


@dataclass(frozen=True)
class MguConfig(Recipe):
    """Step rule, length and end of the updates.

    The paper gives neither the step size nor whether gradients are scaled. Equation 3 divides by
    the number of pixels, so a raw step is as much shorter as a region is larger, and one step
    size serves one area only. Three rules:

    ``raw``: x - step * gradient, the paper's text; for reference.
    ``sign``: x - step * sign(gradient). Every pixel moves as far in every iteration, and ends at
    most one such move behind the boundary; a pixel that is easily flipped moves no less than
    another one in the same iteration.
    ``normalised``: x - step * gradient / root mean square of the gradient over the moving pixels
    and their three channels. Independent of the area, and pixels with small gradients move little,
    which the paper calls desired: what it makes lies near the boundary.

    Args:
        rule: See above.
        step: In 8-bit steps of a channel; for ``raw`` the factor of the gradient per 8-bit step.
        iterations: Updates at most.
        stop_share: Stop when this share of the pixels that were right at the start is wrong; 1 is
            the paper's "until no pixel is left". The last ones take most of the iterations.
        context: Compute only so many pixels around what is still right. Every 16th pass is of
            the whole image, and the last one is, so that what is flipped is flipped there. The
            path is another one than that of whole images: less than the network's receptive field
            changes logits. 0 computes whole images, or, where that is exact, the receptive field.
    """

    rule: str = NORMALISED
    step: float = 1.0
    iterations: int = 50
    stop_share: float = 1.0
    context: int = 0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        require(self.rule in RULES, 'rule', self.rule, f'one of {list(RULES)}')
        self.require_positive('step')
        self.require_at_least(1, 'iterations')
        self.require_at_least(0, 'context')
        require(0 < self.stop_share <= 1, 'stop_share', self.stop_share, 'more than 0, at most 1')
