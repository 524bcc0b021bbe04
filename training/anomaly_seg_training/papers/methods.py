# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which method of the papers trained a network, by what the lab keeps of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN = ''
"""A network that knows nothing of anomalies."""
OTHER = 'a method of no paper'
"""A network that was shown anomalies in another way: it stands beside no row."""
SYNBOOST = {
    'full': 'synboost',
    'no_ensemble': 'synboost_no_ensemble',
    'no_uncertainty': 'synboost_no_uncertainty',
    'no_generator': 'synboost_no_generator',
    'resynthesis': 'resynthesis',
}
"""Variant of `tables synboost` -> method; the others are in no table."""
_OVR = {3: 'style_aligned_ovr_k3', 5: 'style_aligned_ovr', 7: 'style_aligned_ovr_k7'}


def method_of(training: Mapping[str, Any]) -> str:
    """Return the key of the method, see `tables.Ours`, `PLAIN` or `OTHER`.

    A method is told by what makes it one: the loss on unknown pixels and what is pasted, not by
    network, schedule or data.

    Args:
        training: As a bundle's card or a result of the lab holds it; may be empty.
    """
    if training.get('kind') != 'finetune':
        return PLAIN
    recipe = training['recipe']
    loss, mixer = recipe['loss'], recipe['mixer']
    if loss == 'topk_ovr' and mixer == 'anomaly_mix':
        k = recipe['loss_options'].get('k', 5)
        if recipe['aligner'] == 'none':
            return 'ovr' if k == 5 else OTHER
        return _OVR.get(k, OTHER)
    if loss == 'ovr' and mixer == 'anomaly_mix' and recipe['aligner'] != 'none':
        return 'style_aligned_ovr_all'
    if loss == 'pebal':
        return 'pebal'
    if loss == 'maxent':
        return {'maxent': 'max_entropy', 'coco_dag': 'coco_dag'}.get(mixer, OTHER)
    if loss in {'entropy_ratio', 'kl'} and mixer == 'none' and 'mgu' in recipe['shares']:
        return 'mgu_aaft_er' if loss == 'entropy_ratio' else 'mgu_aaft_kl'
    return OTHER
