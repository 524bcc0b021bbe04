# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masked Gradient Update, fast: several images and classes at once, one pass per iteration.

Against `literal.literal_update`, with the same pixels flipped: the pass that gives the gradient
also tells which pixels are still right, jobs that are done leave the batch, softmax is taken on
the region alone, and where the network's receptive field allows, only the region's surroundings
are computed. `MguConfig.stop_share` and `MguConfig.context` go further, on other paths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from anomaly_seg_training.mgu.config import RAW, SIGN, MguConfig
from anomaly_seg_training.mgu.errors import MguError
from anomaly_seg_training.mgu.windows import Window, around, cover, everything

_LOOK_EVERY = 16
"""With a context, every so many passes see the whole image: what is wrong in its window may be
right there, and what once was wrong may be right again."""

_CPU_PIXELS = 1 << 16
"""So many at once on a CPU: small windows gain by company, large ones leave the cache by it."""

Segment = Callable[[Tensor], Tensor]
"""Maps (N, 3, h, w) of 0 to 255 to logits (N, C, h, w)."""


@dataclass(frozen=True)
class MguJob:
    """One image and one class of it.

    Args:
        name: For messages.
        image: X (3, h, w) float, 0 to 255.
        region: I, (h, w) bool: where the label is the adversarial class.
        label: The adversarial class.
    """

    name: str
    image: Tensor
    region: Tensor
    label: int


@dataclass
class MguOutcome:
    """What became of a job.

    Args:
        image: X' (3, h, w) float, 0 to 255, not rounded.
        right: (h, w) bool: pixels of the region that were right at the start.
        flipped: (h, w) bool: pixels of the region that are not the class after the updates, be it
            that they never were.
        iterations: Updates that were made.
    """

    image: Tensor
    right: Tensor
    flipped: Tensor
    iterations: int


@dataclass
class _State:
    """Where a job is.

    Args:
        job: The job.
        x: Its image now.
        full: What tells all of the region exactly.
        left: (h, w) bool: the pixels that are still right, as far as is known.
        right: Those that were right at the start; None before the first pass.
        iterations: Updates so far.
        blind: Passes since the last exact one.
        exact: Whether the present pass is exact.
        done: Whether nothing more is to be done.
    """

    job: MguJob
    x: Tensor
    full: Window
    left: Tensor
    right: Tensor | None = None
    iterations: int = 0
    blind: int = 0
    exact: bool = True
    done: bool = False
    gradient: Tensor = field(init=False)

    def windows(self, config: MguConfig) -> list[Window]:
        """Return what the next pass computes, and forget what the last one found."""
        left, self.left = self.left, torch.zeros_like(self.left)
        self.gradient = torch.zeros_like(self.x)
        self.exact = (
            not config.context
            or self.right is None
            or self.blind == _LOOK_EVERY - 1
            # Only an exact pass may end the job.
            or self._enough(left, config)
            or self.iterations >= config.iterations
        )
        windows = [self.full] if self.exact else cover(left, config.context)
        if sum(window.area for window in windows) >= self.full.area:
            self.exact, windows = True, [self.full]
        self.blind = 0 if self.exact else self.blind + 1
        return windows

    def see(self, window: Window, still: Tensor, config: MguConfig) -> None:
        """Take what one window tells of its pixels."""
        window.of(self.left)[:] |= still
        if self.exact:
            if self.right is None:
                self.right = self.left
            self.done = self._enough(self.left, config) or self.iterations >= config.iterations

    def _enough(self, left: Tensor, config: MguConfig) -> bool:
        """Tell whether enough pixels are wrong."""
        remain = int(left.sum())
        assert self.right is not None
        return remain == 0 or remain <= (1 - config.stop_share) * int(self.right.sum())


def masked_gradient_update(
    segment: Segment, jobs: Sequence[MguJob], config: MguConfig, radius: int | None = None
) -> list[MguOutcome]:
    """Update images of one size, each for one class.

    Args:
        segment: The frozen network; what it gives for an image may not depend on the others.
        jobs: At least one; all at once, so their number is the batch.
        config: How.
        radius: Pixels beyond which nothing changes a logit, see `receptive_radius`; None where
            no bound is known.

    Returns:
        One outcome per job.

    Raises:
        MguError: A gradient is not a finite number.
    """
    states = []
    for job in jobs:
        full = everything(job.region) if radius is None else around(job.region, radius)
        states.append(_State(job, job.image.clone(), full, job.region))
    active = states
    while active:
        _iterate(segment, active, config)
        active = [state for state in active if not state.done]
    outcomes = []
    for state in states:
        assert state.right is not None
        flipped = state.job.region & ~state.left
        outcomes.append(MguOutcome(state.x, state.right, flipped, state.iterations))
    return outcomes


def wrong(segment: Segment, images: Tensor, jobs: Sequence[MguJob]) -> Tensor:
    """Return where pixels of the jobs' regions are not the class in other images, (N, h, w) bool.

    Args:
        segment: The network.
        images: (N, 3, h, w), 0 to 255, one per job.
        jobs: Regions and classes.
    """
    with torch.inference_mode():
        predicted = segment(images).argmax(1)
    regions, labels = _stacked(jobs)
    return regions & (predicted != labels[:, None, None])


def _stacked(jobs: Sequence[MguJob]) -> tuple[Tensor, Tensor]:
    regions = torch.stack([job.region for job in jobs])
    return regions, torch.tensor([job.label for job in jobs], device=regions.device)


def _iterate(segment: Segment, states: Sequence[_State], config: MguConfig) -> None:
    """Run the network once; update the jobs that are not done and mark those that are."""
    groups: dict[tuple[int, int], list[tuple[_State, Window]]] = {}
    for state in states:
        for window in state.windows(config):
            groups.setdefault(window.shape, []).append((state, window))
    for shape, group in groups.items():
        together = len(group) if group[0][0].x.is_cuda else max(1, _CPU_PIXELS // prod(shape))
        for first in range(0, len(group), together):
            _pass(segment, group[first : first + together], config)
    for state in states:
        if not state.done and state.left.any():
            _step(state, config)


def _pass(segment: Segment, group: Sequence[tuple[_State, Window]], config: MguConfig) -> None:
    """Find in windows of one size what is still right, and the gradient of its equation 3."""
    pixels = torch.stack([window.of(window.pixels) for _, window in group])
    labels = torch.tensor([state.job.label for state, _ in group], device=pixels.device)
    x = torch.stack([window.of(state.x) for state, window in group])
    last = all(state.iterations >= config.iterations for state, _ in group)
    x.requires_grad_(not last)
    with torch.set_grad_enabled(not last):
        rows = segment(x).permute(0, 2, 3, 1)[pixels]
    owner = pixels.nonzero()[:, 0]
    right = rows.detach().argmax(1) == labels[owner]
    still = torch.zeros_like(pixels)
    still[pixels] = right
    for (state, window), part in zip(group, still, strict=True):
        state.see(window, part, config)
    moving = torch.tensor([not state.done for state, _ in group], device=pixels.device)
    chosen = right & moving[owner]
    if last or not bool(chosen.any()):
        return
    # The sum over images has each image's own gradient. A mean over all pixels of an image would
    # need all its windows; `_step` divides.
    shares = rows[chosen].softmax(1).gather(1, labels[owner[chosen]][:, None])
    (gradient,) = torch.autograd.grad(shares.sum(), x)
    for (state, window), part in zip(group, gradient, strict=True):
        window.of(state.gradient)[:] += part


def _step(state: _State, config: MguConfig) -> None:
    """Move the pixels that are still right, within the range of pixels."""
    values = state.gradient[:, state.left] / int(state.left.sum())
    if not bool(torch.isfinite(values).all()):
        msg = (
            f'{state.job.name}: the gradient of class {state.job.label} is not finite after '
            f'{state.iterations} iterations: look at the weights of the network'
        )
        raise MguError(msg)
    if config.rule == SIGN:
        values = values.sign()
    elif config.rule != RAW:
        size = values.square().mean().sqrt()
        # No gradient at all, as in a saturated softmax, moves nothing.
        values = values / size if float(size) > 0 else values
    state.x[:, state.left] = (state.x[:, state.left] - config.step * values).clamp(0, 255)
    state.iterations += 1
