# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ClassMix: whole classes of one crop pasted into another (Olsson et al. 2021)."""

from __future__ import annotations

import torch

Batch = dict[str, torch.Tensor]


def class_mix(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Paste half of the classes of each crop's neighbour in the batch into a share of the crops.

    Image, labels, the teacher's logits and features and their weights are mixed by one mask, which
    comes from `guide`, so that what a pixel shows and what it should be stay together.

    Args:
        batch: `image` (N, 3, h, w), `labels` (N, h, w), `guide` (N, h / 4, w / 4) hard labels,
            255 = none, `logits` (N, C, h / 4, w / 4), `features` (N, F, h / 8, w / 8) and
            `taught` (N, h / 4, w / 4).
        share: Probability that a crop is mixed.
        generator: Source of all draws, on the CPU.
    """
    guide = batch['guide'].roll(1, 0)
    masks = torch.zeros_like(guide, dtype=torch.bool)
    for index in range(len(guide)):
        if torch.rand((), generator=generator) >= share:
            continue
        present = torch.unique(guide[index]).cpu()
        present = present[present != 255]
        count = (len(present) + 1) // 2
        chosen = present[torch.randperm(len(present), generator=generator)[:count]]
        masks[index] = torch.isin(guide[index], chosen.to(guide))
    if not masks.any():
        return batch
    result = dict(batch)
    for key, factor in (('image', 4), ('labels', 4), ('guide', 1), ('logits', 1), ('taught', 1)):
        mask = masks.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
        result[key] = _paste(batch[key], mask)
    result['features'] = _paste(batch['features'], masks[:, ::2, ::2])
    return result


def _paste(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    if values.ndim == 4:
        mask = mask[:, None]
    return torch.where(mask, values.roll(1, 0), values)
