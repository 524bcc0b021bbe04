# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The fine-tuning as a Lightning module: what is compared, what moves, what stays."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_seg_ros.models import TwoStreams, UnknownStream
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.blending import Blend
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.losses import create_loss, hold_loss
from anomaly_seg_training.finetune.parts import (
    decayed,
    extra_layer,
    freeze_all_but,
    last_layer,
    set_modes,
    trained_parts,
)
from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.timed import BEGUN_WITH, Batch, TimedModule


def poly(progress: float, power: float, warm_up: float) -> float:
    """Return the learning rate's factor: linear warm-up, then (1 - progress) ** power.

    Args:
        progress: Done share of the run, 0 to 1.
        power: 0.9 in the papers.
        warm_up: Share of the run in which the rate rises.
    """
    if progress < warm_up:
        return max(progress / warm_up, 0.02)
    return float((1 - (progress - warm_up) / max(1 - warm_up, 1e-9)) ** power)


class FineTuning(TimedModule):
    """Teach a trained segmenter that some pixels are none of its classes.

    The loss on unknown pixels is taken on the logits as the network gives them, before any
    upsampling; that on known pixels at half of the picture's resolution where the network's is
    lower. Only the recipe's part of the network changes.

    Args:
        recipe: Part, losses, weights and rates.
        start: The network; it is changed in place.
        seed: Of all draws.
        max_minutes: The schedule ends here or after ``recipe.steps``, whichever comes first.

    Raises:
        LabError: The segmenter has no last layer that could be trained.
    """

    remedy = 'lower learning_rate or ood_weight'

    def __init__(
        self, recipe: FinetuneRecipe, start: Start, seed: int, max_minutes: float | None
    ) -> None:
        super().__init__(recipe.steps, seed, max_minutes, recipe.ema)
        self.recipe = recipe
        self.start = start
        self.network = start.network.to(memory_format=torch.channels_last)
        self.loss = create_loss(recipe.loss, recipe.loss_options)
        if isinstance(self.network, UnknownStream):
            _check_stream(recipe)
        self.parts = trained_parts(self.network, recipe.trained)
        freeze_all_but(self.network, self.parts)
        # In a list, so that it is no part of the module: checkpoints need not carry it.
        held = self.network.base if isinstance(self.network, TwoStreams) else self.network
        self._held = [copy.deepcopy(held).requires_grad_(False)] if recipe.holds else []
        self.average: nn.Module | None = None
        if recipe.ema:
            self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.blend = Blend(self.network, recipe.start_share) if recipe.start_share else None
        self.side: nn.Module | None = None
        if self.loss.extra_outputs:
            self.side = extra_layer(last_layer(self.network), self.loss.extra_outputs)

    @property
    def trained(self) -> nn.Module:
        """The network."""
        return self.network

    @property
    def exported(self) -> nn.Module:
        """The network with averaged weights, or as it is; with the share of the start's."""
        network = self.network if self.average is None else self.average
        return network if self.blend is None else self.blend(network)

    @property
    def averaged(self) -> nn.Module | None:
        """The network with averaged weights."""
        return self.average

    def train(self, mode: bool = True) -> FineTuning:
        """Switch to training; batch norms keep their statistics whatever is trained."""
        super().train(mode)
        for network in (getattr(self, 'network', None), getattr(self, 'average', None)):
            if network is not None:
                network.eval()
        if mode and getattr(self, 'parts', None):
            set_modes(self.network, self.parts, dropout=self.recipe.dropout)
        return self

    def outputs(self, image: Tensor) -> Tensor:
        """Return the logits of (N, 3, h, w) and, behind them, those that only the loss needs.

        Of a second stream, they are its own; those of an `UnknownStream` are its log odds with the
        other sign, as the logits of a single class: their energy is u, and what the segmenter
        itself says does not disturb it.
        """
        if isinstance(self.network, UnknownStream):
            return -self.network.said(image)
        if self.side is None:
            return self._trained_logits(image)
        features: list[Tensor] = []

        def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            features.append(inputs[0])

        hook = last_layer(self.network).register_forward_pre_hook(keep)
        try:
            logits = self._trained_logits(image)
        finally:
            hook.remove()
        return torch.cat((logits, self.side(features[0])), 1)

    def _trained_logits(self, image: Tensor) -> Tensor:
        if isinstance(self.network, TwoStreams):
            return self.network.said(image)
        logits: Tensor = self.network(image)
        return logits

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of one batch of crops.

        Raises:
            LabError: It is not a finite number.
        """
        del index
        self.seed_step()
        recipe = self.recipe
        logits = self.outputs(self.start.normalise(batch['image'])).float()
        labels, ood = batch['labels'], batch['ood']
        grid = logits.shape[-2:]
        parts = {
            'unknown': recipe.ood_weight
            * self.loss.unknown(logits, on_grid(labels, grid), on_grid(ood, grid)),
        }
        if recipe.id_weight:
            parts['known'] = recipe.id_weight * self._known(logits, labels, ood)
        if self._held:
            classes = logits[:, : logits.shape[1] - self.loss.extra_outputs]
            parts['held'] = self._hold(classes, batch, grid)
        loss = torch.stack(list(parts.values())).sum()
        if not torch.isfinite(loss):
            shown = ', '.join(f'{name} {float(value.detach())}' for name, value in parts.items())
            msg = (
                f'the loss is {float(loss.detach())} at step {self.global_step} ({shown}): '
                f'{self.remedy}; what was written before is still there'
            )
            raise LabError(msg)
        self.log_dict(parts, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def _known(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the loss on known pixels, at half resolution where the logits have less."""
        if logits.shape[-2] * 2 < labels.shape[-2]:
            labels, ood = labels[:, 1::2, 1::2], ood[:, 1::2, 1::2]
            logits = functional.interpolate(
                logits, labels.shape[-2:], mode='bilinear', align_corners=False
            )
        else:
            labels, ood = on_grid(labels, logits.shape[-2:]), on_grid(ood, logits.shape[-2:])
        return self.loss.known(logits, labels, ood)

    def _hold(self, logits: Tensor, batch: Batch, grid: torch.Size) -> Tensor:
        recipe = self.recipe
        with torch.no_grad():
            start = self._held[0](self.start.normalise(batch['clean'])).float()
        held, ood = on_grid(batch['held'], grid), batch['ood']
        if recipe.hold_margin:
            near = functional.adaptive_max_pool2d(ood[:, None].float(), grid)
            side = 2 * recipe.hold_margin + 1
            near = functional.max_pool2d(near, side, 1, recipe.hold_margin)
            held = held & (near[:, 0] == 0)
        divergence, square = hold_loss(logits, start, held, recipe.temperature)
        return recipe.hold_weight * divergence + recipe.hold_logits_weight * square

    def on_fit_start(self) -> None:
        """Move the frozen start to the device; it is no part of the module."""
        for network in self._held:
            network.to(self.device).eval()
        # Lightning leaves modules in the mode that they have.
        self.train()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW over what is trained; biases and norms do not decay."""
        weights, rest = decayed(self.parameters())
        recipe = self.recipe
        return torch.optim.AdamW([
            {'params': weights, 'lr': recipe.learning_rate, 'weight_decay': recipe.weight_decay},
            {'params': rest, 'lr': recipe.learning_rate, 'weight_decay': 0.0},
        ])  # fmt: skip

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate by progress."""
        super().on_train_batch_start(batch, batch_idx)
        recipe = self.recipe
        rate = recipe.learning_rate * poly(self.progress, recipe.power, recipe.warm_up)
        self.set_rates(rate, rate)
        self.log('learning_rate', rate, on_step=False, on_epoch=True)

    def begun_with(self) -> dict[str, Any]:
        """Return what a resumed run must have too: the recipe's keys, seed and start."""
        start = {'start': self.start.about['sha256']}
        return {**self.recipe.as_dict(), **super().begun_with(), **start}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue, also from checkpoints in which recipe and start had a name of their own."""
        if 'finetune' in checkpoint:
            checkpoint.setdefault(BEGUN_WITH, checkpoint['finetune'])
        super().on_load_checkpoint(checkpoint)


def _check_stream(recipe: FinetuneRecipe) -> None:
    """Raise a LabError unless a recipe can train a second stream."""
    if recipe.loss != 'energy_logistic' or recipe.id_weight or recipe.holds:
        msg = (
            'a second stream leaves the classes alone: its recipe needs loss energy_logistic, '
            f'id_weight 0 and no hold, received {recipe.loss}, {recipe.id_weight}, '
            f'{recipe.hold_weight} and {recipe.hold_logits_weight}'
        )
        raise LabError(msg)


def on_grid(values: Tensor, grid: torch.Size) -> Tensor:
    """Return (N, h, w) at the middles of a coarser grid's cells, (N, *grid), nearest."""
    rows, columns = (
        (torch.arange(cells, device=values.device) * 2 + 1) * size // (2 * cells)
        for cells, size in zip(grid, values.shape[-2:], strict=True)
    )
    return values[:, rows][:, :, columns]
