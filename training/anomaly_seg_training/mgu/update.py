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

import torch
from torch import Tensor

from anomaly_seg_training.mgu.config import RAW, SIGN, MguConfig
from anomaly_seg_training.mgu.errors import MguError

GRID = 32
"""Rectangles begin and end at multiples of this, so that networks see the same grid."""
_WORTH = 0.7
"""Share of the image up to which computing a rectangle instead pays."""

Segment = Callable[[Tensor], Tensor]
"""Maps (N, 3, h, w) of 0 to 255 to logits (N, C, h, w)."""
Window = tuple[slice, slice]


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
    job: MguJob
    x: Tensor
    window: Window
    right: Tensor | None = None
    left: Tensor = field(default_factory=lambda: torch.zeros(0))
    iterations: int = 0
    done: bool = False

    @property
    def part(self) -> Tensor:
        """What is computed of the image; a view."""
        rows, columns = self.window
        return self.x[:, rows, columns]

    @property
    def whole(self) -> bool:
        """Whether that is all of it."""
        return self.part.shape == self.x.shape

    def finished(self, config: MguConfig) -> bool:
        """Tell whether enough pixels are wrong, or no iteration is left."""
        remain = int(self.left.sum())
        right = int(remain if self.right is None else self.right.sum())
        enough = remain <= (1 - config.stop_share) * right
        return remain == 0 or enough or self.iterations >= config.iterations


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
    states = [_State(job, job.image.clone(), _everything(job)) for job in jobs]
    if config.context:
        # What is right at the start is told by whole images.
        _look(segment, states)
        for state in states:
            state.right = state.left
            state.window = _window(state.job.region, config.context)
        _advance(segment, [s for s in states if not s.whole and not s.finished(config)], config)
        for state in states:
            state.window, state.done = _everything(state.job), False
    elif radius is not None:
        for state in states:
            state.window = _window(state.job.region, radius)
    _advance(segment, states, config)
    return [
        MguOutcome(
            s.x, s.left if s.right is None else s.right, s.job.region & ~s.left, s.iterations
        )
        for s in states
    ]


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


def _everything(job: MguJob) -> Window:
    height, width = job.region.shape
    return slice(0, height), slice(0, width)


def _window(region: Tensor, margin: int) -> Window:
    """Return the region's rectangle with a margin, on the grid; everything if it is not less."""
    full = region.shape
    found = []
    for axis in (1, 0):
        places = region.any(axis).nonzero()[:, 0]
        if not len(places):
            return slice(0, full[0]), slice(0, full[1])
        size = full[1 - axis]
        first = max(0, int(places[0]) - margin) // GRID * GRID
        last = min(size, -(-(int(places[-1]) + 1 + margin) // GRID) * GRID)
        found.append(slice(first, last))
    rows, columns = found
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    if area > _WORTH * region.numel():
        return slice(0, full[0]), slice(0, full[1])
    return rows, columns


def _advance(segment: Segment, states: Sequence[_State], config: MguConfig) -> None:
    """Update until all are done; windows of one size go through the network together."""
    groups: dict[torch.Size, list[_State]] = {}
    for state in states:
        groups.setdefault(state.job.region[state.window].shape, []).append(state)
    for group in groups.values():
        active = group
        while active:
            _iterate(segment, active, config)
            active = [state for state in active if not state.done]


def _look(segment: Segment, states: Sequence[_State]) -> None:
    """Find which pixels are still right in whole images."""
    with torch.no_grad():
        logits = segment(torch.stack([state.x for state in states]))
    for state, predicted in zip(states, logits.argmax(1), strict=True):
        state.left = state.job.region & (predicted == state.job.label)


def _iterate(segment: Segment, states: Sequence[_State], config: MguConfig) -> None:
    """Run the network once; update the jobs that are not done and mark those that are."""
    regions = torch.stack([state.job.region[state.window] for state in states])
    labels = torch.tensor([state.job.label for state in states], device=regions.device)
    x = torch.stack([state.part for state in states])
    last = all(state.iterations >= config.iterations for state in states)
    x.requires_grad_(not last)
    with torch.set_grad_enabled(not last):
        rows = segment(x).permute(0, 2, 3, 1)[regions]
    owner = regions.nonzero()[:, 0]
    still = rows.detach().argmax(1) == labels[owner]
    left = torch.zeros_like(regions)
    left[regions] = still
    for state, part in zip(states, left, strict=True):
        # Outside of its window a region has no pixel.
        state.left = torch.zeros_like(state.job.region)
        state.left[state.window] = part
        if state.right is None:
            state.right = state.left
        state.done = state.finished(config)
    if last:
        return
    moving = torch.tensor([not state.done for state in states], device=regions.device)
    if not bool(moving.any()):
        return
    chosen = still & moving[owner]
    # Equation 3 of every image; their sum has each image's own gradient.
    counts = left.sum((1, 2)).clamp(min=1)[owner[chosen]]
    shares = rows[chosen].softmax(1).gather(1, labels[owner[chosen]][:, None])[:, 0]
    (gradient,) = torch.autograd.grad((shares / counts).sum(), x)
    for index, state in enumerate(states):
        if not state.done:
            _step(state, gradient[index], left[index], config)


def _step(state: _State, gradient: Tensor, moving: Tensor, config: MguConfig) -> None:
    """Move the pixels that are still right, within the range of pixels."""
    values = gradient[:, moving]
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
    part = state.part
    part[:, moving] = (part[:, moving] - config.step * values).clamp(0, 255)
    state.iterations += 1
