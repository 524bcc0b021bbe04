# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What fine-tuning minimises: known pixels keep their class, unknown ones get none.

All losses see the logits of one grid of pixels. Sums and means are over pixels of all images.

>>> from anomaly_seg_training.finetune.losses import OOD_LOSSES
>>> sorted(OOD_LOSSES.names())[:5]
['energy', 'energy_logistic', 'entropy_ratio', 'kl', 'maxent']
"""

from anomaly_seg_training.finetune.losses.base import OOD_LOSSES, OodLoss, create_loss
from anomaly_seg_training.finetune.losses.energy import EnergyHinge, EnergyLogistic
from anomaly_seg_training.finetune.losses.flattening import EntropyRatio, Kl, MaxEnt, Uniform
from anomaly_seg_training.finetune.losses.holding import hold_loss
from anomaly_seg_training.finetune.losses.one_vs_rest import OvR, TopKOvR
from anomaly_seg_training.finetune.losses.pebal import Pebal

__all__ = [
    'OOD_LOSSES', 'EnergyHinge', 'EnergyLogistic', 'EntropyRatio', 'Kl', 'MaxEnt', 'OodLoss',
    'OvR', 'Pebal', 'TopKOvR', 'Uniform', 'create_loss', 'hold_loss',
]  # fmt: skip
