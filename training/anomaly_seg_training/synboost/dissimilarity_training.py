# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the dissimilarity network behind a frozen generator."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.bundle import ResynthesisSpec
from anomaly_seg_ros.bundle.resynthesis import MAPS, MEMBERS
from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.models.resynthesis import Resynthesis, ResynthesisMaps
from anomaly_seg_ros.models.resynthesis.framework import nearest, probability
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.synboost.crops import Pair
from anomaly_seg_training.synboost.ensemble import figures
from anomaly_seg_training.synboost.recipe import DissimilarityRecipe
from anomaly_seg_training.timed import TimedModule

_BETAS = (0.5, 0.999)
_RATIO = 1.02
"""Of ENet's class weights, 1 / ln(1.02 + frequency)."""
_EVERY = 7
"""Every so-manieth pixel of the validation set gives figures."""
_QUANTILES = (0.001, 0.999)
_LEAST = 1e-4


@dataclass
class Plateau:
    """A learning rate that falls where a loss no longer does.

    Args:
        rate: Now.
        patience: Losses without an improvement until it falls.
        factor: By which it does.
    """

    rate: float
    patience: int
    factor: float
    best: float = math.inf
    waited: int = 0

    def step(self, loss: float) -> None:
        """Take note of one more loss."""
        if loss < self.best * (1 - _LEAST):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.rate, self.waited = self.rate * self.factor, 0


class DissimilarityTraining(TimedModule):
    """Train the dissimilarity network; what else is behind the segmenter stays as it is.

    Args:
        recipe: Rates and selection.
        framework: Of whose parts only the dissimilarity network learns.
        class_weights: Of normal and anomalous pixels in the loss.
        validation: The validation set, in batches.
        seed: Of all draws.
        max_minutes: Time limit, None for none.
    """

    def __init__(
        self, recipe: DissimilarityRecipe, framework: Resynthesis,
        class_weights: tuple[float, float], validation: list[Pair], seed: int,
        max_minutes: float | None,
    ) -> None:  # fmt: skip
        super().__init__(recipe.steps, seed, max_minutes, 0.0)
        self.recipe = recipe
        self.network = framework.dissimilarity
        self.mixing = nn.Parameter(torch.zeros(len(MEMBERS)), recipe.learn_ensemble)
        # In a list, so that checkpoints do not carry what never changes.
        self._frozen = [framework.eval().requires_grad_(False)]
        self.network.train().requires_grad_(True)
        self.class_weights = torch.tensor(class_weights)
        self.validation = validation
        self.plateau = Plateau(recipe.rate, recipe.patience, recipe.factor)
        self.best_key = math.inf
        self.best = self._state()

    @property
    def trained(self) -> nn.Module:
        """The dissimilarity network."""
        return self.network

    @property
    def exported(self) -> nn.Module:
        """The dissimilarity network; a file of its best weights is written beside."""
        return self.network

    @property
    def framework(self) -> Resynthesis:
        """All that is behind the segmenter, on this module's device."""
        self._frozen[0] = self._frozen[0].to(self.device)
        return self._frozen[0]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam for all weights of the network, the VGG's too."""
        weights = [*self.network.parameters(), *([self.mixing] if self.recipe.learn_ensemble
                                                 else [])]  # fmt: skip
        return torch.optim.Adam(weights, self.recipe.rate, betas=_BETAS)

    def training_step(self, batch: Pair, batch_idx: int) -> torch.Tensor:
        """Return the weighted cross entropy of known pixels."""
        del batch_idx
        self.seed_step()
        self.set_rates(self.plateau.rate)
        maps, target = self.observe(batch)
        loss = self._loss(self._logits(maps), maps, target)
        if not torch.isfinite(loss):
            msg = (
                f'the loss of step {self.global_step} is not finite: lower the learning rate, '
                f'now {self.plateau.rate}'
            )
            raise LabError(msg)
        self.log('loss', loss.detach(), on_step=False, on_epoch=True)
        return loss

    @torch.no_grad()
    def observe(self, batch: Pair) -> tuple[ResynthesisMaps, torch.Tensor]:
        """Re-synthesise and compare a batch of examples.

        Returns:
            Its maps, and the target, (N, h, w) uint8, at the size of the dissimilarity network.
        """
        return observe(self.framework, {name: t.to(self.device) for name, t in batch.items()})

    def _logits(self, maps: ResynthesisMaps) -> torch.Tensor:
        logits: torch.Tensor = self.network(
            maps.original, maps.synthesised, maps.layout, maps.uncertainty
        )
        return logits.float()

    def _loss(
        self, logits: torch.Tensor, maps: ResynthesisMaps, target: torch.Tensor
    ) -> torch.Tensor:
        if self.recipe.learn_ensemble:
            shares = self.mixing.softmax(0)
            score = shares[0] * probability(logits)[:, 0]
            score = score + (shares[1:, None, None] * maps.uncertainty).sum(1)
            log_odds = torch.logit(score, 1e-5)
            logits = torch.stack([torch.zeros_like(log_odds), log_odds], 1)
        weights = self.class_weights.to(logits.device)
        labels = target.long()
        losses = functional.cross_entropy(
            logits, labels, weights, ignore_index=IGNORE, reduction='sum'
        )
        # The weighted mean by hand: torch's is NaN where no pixel is known.
        counts = torch.stack([(labels == value).sum() for value in (0, 1)])
        return losses / (counts * weights).sum().clamp(min=1e-6)

    @torch.no_grad()
    def measure(self) -> tuple[float, NDArray[np.float32], NDArray[np.uint8]]:
        """Run the validation set.

        Returns:
            Its mean loss; (4, P) members of the ensemble and (P,) targets of some known pixels.
        """
        self.network.eval()
        losses, members, targets = [], [], []
        for batch in self.validation:
            maps, target = self.observe(batch)
            logits = self._logits(maps)
            losses.append(float(self._loss(logits, maps, target)))
            both = torch.cat([probability(logits), maps.uncertainty], 1).movedim(1, 0).flatten(1)
            known = target.flatten() != IGNORE
            members.append(both[:, known][:, ::_EVERY].float().cpu().numpy())
            targets.append(target.flatten()[known][::_EVERY].cpu().numpy())
        self.network.train()
        return float(np.mean(losses)), np.concatenate(members, 1), np.concatenate(targets)

    def validate(self) -> None:
        """Measure, lower the rate where the loss stays, and keep the best weights."""
        loss, members, target = self.measure()
        found = figures(members[0], target)
        self.history.append({
            'step': self.global_step, 'loss': round(loss, 5), 'rate': self.plateau.rate,
            **{name: round(value, 5) for name, value in found.items()},
        })  # fmt: skip
        self.plateau.step(loss)
        key = loss if self.recipe.selection == 'loss' else -found['ap']
        if key < self.best_key:
            self.best_key, self.best = key, self._state()

    def use_best(self) -> None:
        """Give the network, and the learnt ensemble, the best weights."""
        self.network.load_state_dict({k: v for k, v in self.best.items() if k != 'mixing'})
        with torch.no_grad():
            self.mixing.copy_(self.best['mixing'])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep rate and best weights, too."""
        super().on_save_checkpoint(checkpoint)
        checkpoint['plateau'] = vars(self.plateau)
        checkpoint['best_key'] = self.best_key
        checkpoint['best'] = self.best

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue with rate and best weights."""
        super().on_load_checkpoint(checkpoint)
        self.plateau = Plateau(**checkpoint['plateau'])
        self.best_key = float(checkpoint['best_key'])
        self.best = dict(checkpoint['best'])

    def _state(self) -> dict[str, torch.Tensor]:
        state = {name: t.detach().cpu().clone() for name, t in self.network.state_dict().items()}
        return {**state, 'mixing': self.mixing.detach().cpu().clone()}


class Validate(Callback):
    """Run the validation set after each epoch; stands before what writes files."""

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Measure."""
        del trainer
        assert isinstance(pl_module, DissimilarityTraining)
        pl_module.validate()


def observe(framework: Resynthesis, batch: Pair) -> tuple[ResynthesisMaps, torch.Tensor]:
    """Re-synthesise and compare; see `DissimilarityTraining.observe`."""
    doubts = batch['doubts'].float() / 255
    maps = framework.maps(
        batch['image'].float() / 255, batch['labels'][:, None], doubts[:, :1], doubts[:, 1:]
    )
    size = framework.spec.dissimilarity_size.shape
    return maps, nearest(batch['target'][:, None], size)[:, 0]


@torch.no_grad()
def found_bounds(framework: Resynthesis, examples: Iterable[Pair]) -> ResynthesisSpec:
    """Return the specification with bounds of the uncertainty maps found on examples.

    The 0.1 % and 99.9 % quantiles over all pixels, so that one pixel does not scale all others.
    """
    free = copy.deepcopy(framework)
    free.spec = replace(
        framework.spec, normalisation='dataset', bounds=dict.fromkeys(MAPS, (0.0, 1e4))
    )
    found = [(observe(free, batch)[0].uncertainty * 1e4).movedim(1, 0).flatten(1)
             for batch in examples]  # fmt: skip
    values = torch.cat([part[:, ::_EVERY] for part in found], 1).cpu().numpy()
    bounds = {}
    for name, row in zip(MAPS, values, strict=True):
        low, high = (float(v) for v in np.quantile(row, _QUANTILES))
        bounds[name] = (round(low, 6), round(max(high, low + _LEAST), 6))
    return replace(framework.spec, bounds=bounds)


def frequency_weights(examples: Iterator[Pair]) -> tuple[float, float]:
    """Return the weights of normal and anomalous pixels, 1 / ln(1.02 + frequency) (ENet)."""
    counts = np.zeros(2)
    for batch in examples:
        target = batch['target'].numpy()
        counts += [(target == 0).sum(), (target == 1).sum()]
    shares = counts / max(counts.sum(), 1)
    weights = 1 / np.log(_RATIO + shares)
    return float(weights[0]), float(weights[1])
