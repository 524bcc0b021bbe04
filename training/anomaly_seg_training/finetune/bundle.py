# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a fine-tuning to a calibrated bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.refinement import Shrinkage
from anomaly_seg_ros.size import Size
from anomaly_seg_training.export import draft_card, read_run, write_calibrated_bundle
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.finished import start_of_run
from anomaly_seg_training.finetune.stream import pooled
from anomaly_seg_training.pooling import Pooling
from anomaly_seg_training.training import WEIGHTS


def write_finetuned_bundle(
    run: Path, data: Path, out: Path, threads: int = 0, pooling: Pooling | None = None
) -> Bundle:
    """Export a fine-tuned segmenter; its batch norm statistics are those of the start.

    Args:
        run: Folder of the run.
        data: Folder of the data sets.
        out: The bundle's folder, replaced if it is a bundle.
        threads: Of the engine that measures; 0 = all cores.
        pooling: Of the second stream instead of the recipe's, which no weight depends on.

    Raises:
        AnomalySegError: The run or the data cannot be used, or the export is not exact.
    """
    about = read_run(run)
    recipe = FinetuneRecipe.from_dict(about.pop('recipe'))
    start = start_of_run(about['start'], run / WEIGHTS)
    if pooling is not None:
        start = pooled(start, pooling)
        options: dict[str, Any] = {
            f'stream_{name}': value for name, value in pooling.options().items()
        }
        recipe = replace(recipe, **options)
    origin = start.about.get('bundle') or start.about.get('checkpoint')
    size = Size.parse(recipe.input_size)
    card = draft_card(
        name=recipe.name,
        description=(
            f'{start.spec.name} at {size} for {len(start.classes)} classes, fine-tuned from '
            f'{origin} by the recipe below to tell what is none of them.'
        ),
        segmenter=start.spec,
        classes=start.classes,
        preprocessing=start.preprocessing,
        input_size=size,
        licence={**start.licence, **recipe.licence},
        training={**about, 'recipe': recipe.as_dict()},
        shrinkage=Shrinkage(**recipe.shrinkage),
    )
    return write_calibrated_bundle(
        start.network, card, recipe.shares, data, out, threads, recipe.reader_options
    )
