# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One trial: train an arm by one seed, measure what came out, keep the figures."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.models import load_weights
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size
from anomaly_seg_training import PROGRAM
from anomaly_seg_training.ablation.plan import Trial
from anomaly_seg_training.data import anomaly, cityscapes
from anomaly_seg_training.evaluation.checkpoint import weights_bundle
from anomaly_seg_training.finetune.finetuning import FinetuneRun, finetune
from anomaly_seg_training.finetune.start import Start, label_table, translated
from anomaly_seg_training.finetune.validation import measure, read_scenes
from anomaly_seg_training.measure import anomaly_figures, miou
from anomaly_seg_training.run_settings import CHECKPOINT
from anomaly_seg_training.training import RUN, WEIGHTS

_DIGITS = 6


@dataclass(frozen=True)
class Place:
    """Where trials run.

    Args:
        data: Folder of the data sets.
        out: Folder of the results: ``KEY.json`` of each trial that is done, ``KEY/`` with its
            weights.
        start_bundle: As for `FinetuneRun`.
        start_checkpoint: As for `FinetuneRun`.
        accelerator: Lightning's.
        threads: CPU threads of each trial; 0 leaves torch's choice.
    """

    data: Path
    out: Path
    start_bundle: str | None = None
    start_checkpoint: Path | None = None
    accelerator: str = 'auto'
    threads: int = 1

    def result(self, trial: Trial) -> Path:
        """Return the file of a trial's figures."""
        return self.out / f'{trial.key}.json'

    def run_settings(self, key: str = '', seed: int = 0) -> FinetuneRun:
        """Return the settings of a trial's run."""
        return FinetuneRun(
            data=self.data,
            out=self.out / key,
            seed=seed,
            devices='1',
            accelerator=self.accelerator,
            threads=self.threads,
            start_bundle=self.start_bundle,
            start_checkpoint=self.start_checkpoint,
        )


def run_trial(trial: Trial, place: Place) -> dict[str, Any]:
    """Train and measure; write the figures, or why there are none, and return them.

    Weights of a run that was trained and then killed are not trained again.
    """
    begin = time.monotonic()
    content: dict[str, Any] = {'key': trial.key, 'seed': trial.seed}
    try:
        run = place.run_settings(trial.key, trial.seed or 0)
        if trial.seed is not None and not (run.out / RUN).is_file():
            # What a killed training left is of no use: runs are short and begin anew.
            shutil.rmtree(run.out, ignore_errors=True)
            finetune(trial.recipe, run)
        trained = time.monotonic()
        run.limit_threads()
        start = run.load_start(trial.recipe)
        if trial.seed is not None:
            load_weights(start.network, run.out / WEIGHTS)
        content |= _figures(trial, place, start)
        content['seconds'] = {
            'training': round(trained - begin, 1),
            'measuring': round(time.monotonic() - trained, 1),
        }
    except AnomalySegError as error:
        content['failed'] = str(error)
    content['git'] = provenance(program=PROGRAM)['git']
    write_json(place.result(trial), content)
    (place.out / trial.key / CHECKPOINT).unlink(missing_ok=True)
    return content


def _figures(trial: Trial, place: Place, start: Start) -> dict[str, Any]:
    """Measure by the code that measures bundles; every network runs once per image."""
    size, table = Size.parse(trial.size), label_table(trial.recipe.class_map, start.classes)
    content: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix='anomaly-seg-lab-') as folder:
        bundle = weights_bundle(
            start.network, trial.recipe.name, f'{start.spec.name} of an ablation', start.spec,
            start.classes, start.preprocessing, size, Path(folder),
        )  # fmt: skip
        device = 'cpu' if place.accelerator == 'cpu' else 'auto'
        engine = load_engine('torch', Bundle.open(bundle), device=device, threads=place.threads)
        frames = (translated(e, table) for e in cityscapes.read(place.data, split='val'))
        result, per_frame = miou(engine, frames, size)
        content['miou'] = round(result.miou, _DIGITS)
        content['miou_per_frame'] = round(per_frame, _DIGITS)
        content['sets'] = {
            name: {
                score: {
                    key: None if (value := getattr(found, key)) is None else round(value, _DIGITS)
                    for key in ('auroc', 'ap', 'fpr95')
                }
                for score, found in anomaly_figures(
                    engine, anomaly.read(place.data, name), trial.scores, size
                ).items()
            }
            for name in anomaly.MASKS
            if (place.data / anomaly.FOLDER / name).is_dir()
        }
        engine.close()
    scenes = read_scenes(trial.recipe, start, place.data)
    content['validation'], _ = measure(start.network, start, scenes, trial.scores)
    return content
