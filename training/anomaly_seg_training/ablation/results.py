# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All trials of an ablation in one JSON file, and that file read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomaly_seg_ros.provenance import provenance
from anomaly_seg_training import PROGRAM
from anomaly_seg_training.ablation.plan import Arm, Plan
from anomaly_seg_training.ablation.recipe import AblationRecipe
from anomaly_seg_training.ablation.run import stored
from anomaly_seg_training.ablation.trial import Place
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.stored_tables import read_table

KIND = 'finetune_ablations'
_NEEDED = ('start', 'schedule', 'size', 'scores', 'tables', 'runs')


def gather(
    recipe: AblationRecipe,
    plan: Plan,
    place: Place,
    start: Mapping[str, Any],
    seeds: Sequence[int],
) -> dict[str, Any]:
    """Collect what is done, and say of everything else why it is missing.

    Args:
        recipe: What is compared.
        plan: Its trials.
        place: Where they have left their figures.
        start: What is known of the weights that all begin with.
        seeds: Of each arm.

    Returns:
        For JSON: `tables`, of arms with their `changes` and the key of each seed's run; `runs`,
        figures by key; `missing`, reason by key.
    """
    runs: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for trial in (plan.start, *plan.trials.values()):
        content = stored(place.result(trial))
        if 'sets' in content:
            runs[trial.key] = {key: value for key, value in content.items() if key != 'key'}
        else:
            missing[trial.key] = content.get('failed', 'not run yet')
    base = recipe.resolve({}, 'schedule').as_dict()
    return {
        'kind': KIND,
        'name': recipe.name,
        'start': {'key': plan.start.key, **start},
        'schedule': {key: base[key] for key in _SHOWN},
        'size': recipe.size,
        'scores': list(recipe.scores),
        'seeds': list(seeds),
        'tables': {
            name: {
                'title': recipe.tables[name]['title'],
                'arms': {arm: _described(found) for arm, found in arms.items()},
            }
            for name, arms in plan.tables.items()
        },
        'runs': runs,
        'missing': missing,
        'provenance': provenance(program=PROGRAM),
    }


_SHOWN = (
    'segmenter', 'shares', 'reader_options', 'crop', 'scale', 'rare_share', 'distort', 'mixer',
    'mixer_options', 'aligner', 'aligner_options', 'trained', 'loss', 'loss_options', 'ood_weight',
    'hold_weight', 'hold_logits_weight', 'hold_margin', 'batch', 'steps', 'learning_rate', 'power',
    'warm_up', 'weight_decay', 'ema', 'start_share', 'stream_octaves',
    'stream_sharpness', 'validation', 'validation_frames', 'validation_size',
)  # fmt: skip


def _described(arm: Arm) -> dict[str, Any]:
    changes = dict(arm.changes)
    options = dict(changes.get('aligner_options', {}))
    if 'weights' in options:
        options['weights'] = Path(options['weights']).name
        changes['aligner_options'] = options
    trials = {str(seed): key for seed, key in arm.trials.items()}
    return {'changes': changes, 'runs': trials, **({'reason': arm.reason} if arm.reason else {})}


def read_ablations(path: Path) -> dict[str, Any]:
    """Read what `gather` has made.

    Raises:
        LabError: The file cannot be read or holds something else.
    """
    content = read_table(path)
    if content.get('kind') != KIND or not all(key in content for key in _NEEDED):
        msg = f'{path} holds no ablations: give a file that anomaly-seg-lab ablation wrote'
        raise LabError(msg)
    return content
