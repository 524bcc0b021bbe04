# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's ablation (Table 2): every variant and seed, trained and measured, resumable."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_training import PROGRAM
from anomaly_seg_training.data import anomaly
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.export import read_run
from anomaly_seg_training.measure import SIZE, anomaly_figures
from anomaly_seg_training.run_settings import RunSettings
from anomaly_seg_training.stored_tables import write_table
from anomaly_seg_training.synboost.assembly import SCORES, Parts, assemble
from anomaly_seg_training.synboost.dissimilarity_run import (
    DETECTOR,
    train_dissimilarity,
    write_weights_bundle,
)
from anomaly_seg_training.synboost.ensemble import Weights
from anomaly_seg_training.synboost.material import Material, gather
from anomaly_seg_training.synboost.recipe import DissimilarityRecipe

ALONE: Weights = (1.0, 0.0, 0.0, 0.0)
RESULTS = 'ablation.json'
TABLE = 'ablation.md'
KIND = 'synboost'
_TOLD = ('steps', 'minutes', 'chosen')
"""Of a training: its length, and its figures on generated examples."""


@dataclass(frozen=True)
class Variant:
    """A row of the table.

    Args:
        title: As the paper calls it.
        run: Which training it is measured with.
        ensemble: Whether uncertainty maps are added to the network's result.
    """

    title: str
    run: str
    ensemble: bool = False


VARIANTS = {
    'full': Variant('full framework', 'full', True),
    'no_ensemble': Variant('w/o ensemble', 'full'),
    'no_uncertainty': Variant('w/o uncertainty maps', 'no_uncertainty'),
    'no_generator': Variant('w/o data generator & w/o uncertainty maps', 'no_generator'),
    'resynthesis': Variant('Image Resynthesis++', 'resynthesis'),
    'learned_ensemble': Variant('ensemble learnt end to end', 'learned_ensemble', True),
}


def variant_recipe(recipe: DissimilarityRecipe, run: str) -> DissimilarityRecipe:
    """Return the recipe of one of the trainings.

    Without the data generator only instances with another class are anomalies, as in Lis et al.
    2019; Image Resynthesis++ moreover has no labels in its decoder.
    """
    if run == 'full':
        return recipe
    if run == 'learned_ensemble':
        return replace(recipe, learn_ensemble=True, ensemble=[])
    options: dict[str, Any] = {**recipe.options, 'uncertainty': False}
    if run == 'resynthesis':
        options['semantic_decoder'] = False
    share = recipe.void_share if run == 'no_uncertainty' else 0.0
    return replace(recipe, options=options, void_share=share, ensemble=list(ALONE))


def run_ablation(
    recipe: DissimilarityRecipe, run: RunSettings, bundle: str, synthesis: Path,
    seeds: Sequence[int], variants: Sequence[str] = tuple(VARIANTS),
) -> Path:  # fmt: skip
    """Train and measure what is missing in `run.out`, then write ``ablation.{json,md}`` there.

    Runs that have ended are not repeated, one that was cut off goes on from its checkpoint, and
    measured variants stay as they are.

    Args:
        recipe: Of the full framework.
        run: Where and how long each training may take.
        bundle: The segmenter's bundle, with weights.
        synthesis: Folder of a run of `train_synthesis`.
        seeds: Of the trainings.
        variants: Names of `VARIANTS`. Of the others, what is measured already is told too.

    Returns:
        The path of the table.

    Raises:
        AnomalySegError: Anything cannot be used, or no anomaly set is there.
    """
    sets = [n for n in anomaly.MASKS if (run.data / anomaly.FOLDER / n).is_dir()]
    if not sets:
        msg = f'{run.data / anomaly.FOLDER} holds none of {", ".join(anomaly.MASKS)}'
        raise LabError(msg)
    results: dict[str, Any] = {
        'kind': KIND, 'segmenter': Path(bundle).name, 'size': str(SIZE),
        'recipe': recipe.as_dict(), 'max_minutes': run.max_minutes, 'runs': {}, 'variants': {},
    }  # fmt: skip
    material: Material | None = None
    for seed in seeds:
        for name, variant in VARIANTS.items():
            folder = run.out / f'{variant.run}_{seed}'
            if name not in variants and not _file(folder, name).is_file():
                continue
            if not (folder / DETECTOR).is_file():
                # The variants have the same scenes.
                material = material or gather(
                    assemble(Parts.open(bundle, synthesis), recipe), recipe, run
                )
                own = replace(run, out=folder, seed=seed)
                own = replace(own, resume=own.checkpoint.is_file())
                train_dissimilarity(
                    variant_recipe(recipe, variant.run), own, bundle, synthesis, material
                )
            found = _measured(folder, variant, name, run, sets)
            results['variants'].setdefault(name, {})[str(seed)] = found
            about = read_run(folder)
            results['runs'][folder.name] = {key: about[key] for key in _TOLD}
    results['provenance'] = provenance(program=PROGRAM)
    write_table(run.out / RESULTS, results, markdown)
    return run.out / TABLE


def _measured(
    folder: Path, variant: Variant, name: str, run: RunSettings, sets: Sequence[str]
) -> dict[str, Any]:
    path = _file(folder, name)
    if path.is_file():
        content: dict[str, Any] = json.loads(path.read_text('utf-8'))
        return content
    draft = write_weights_bundle(
        folder, folder / f'bundle_{name}', None if variant.ensemble else ALONE
    )
    engine = load_engine('torch', draft, device=run.torch_device, threads=run.threads)
    assert draft.card.resynthesis is not None
    content = {'ensemble': list(draft.card.resynthesis.ensemble), 'sets': {}}
    for kind in sets:
        figures = anomaly_figures(engine, anomaly.read(run.data, kind), SCORES)
        content['sets'][kind] = {
            score: {'auroc': f.auroc, 'ap': f.ap, 'fpr95': f.fpr95} for score, f in figures.items()
        }
    engine.close()
    write_json(path, content)
    return content


def _file(folder: Path, name: str) -> Path:
    return folder / f'measured_{name}.json'


def markdown(results: Mapping[str, Any]) -> str:
    """Return the table: AP and FPR95 in percent, mean ± deviation over the seeds."""
    variants = results['variants']
    first = next(iter(next(iter(variants.values())).values()))
    sets = list(first['sets'])
    lines = [
        '# Ablation of SynBoost',
        '',
        f'Segmenter: {results["segmenter"]}. Images and ground truth at {results["size"]}, pixels',
        'pooled: AP / FPR95 in percent, mean and standard deviation over seeds. Trained, selected',
        'and ensembled on generated examples, none of a benchmark.',
        '',
        f'| method | seeds | {" | ".join(sets)} |',
        f'|---|---|{"---|" * len(sets)}',
    ]
    for score in SCORES[1:]:
        cells = [_cell([first['sets'][kind][score]]) for kind in sets]
        lines.append(f"| the segmenter's {score.replace('_', ' ')} | | {' | '.join(cells)} |")
    for name, variant in VARIANTS.items():
        if name in variants:
            seeds = variants[name]
            cells = [_cell([s['sets'][kind][SCORES[0]] for s in seeds.values()]) for kind in sets]
            lines.append(f'| {variant.title} | {", ".join(seeds)} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _cell(figures: Sequence[Mapping[str, float]]) -> str:
    parts = []
    for key in ('ap', 'fpr95'):
        values = [100 * figure[key] for figure in figures]
        text = f'{statistics.mean(values):.1f}'
        if len(values) > 1:
            text += f' ± {statistics.stdev(values):.1f}'
        parts.append(text)
    return ' / '.join(parts)


def parse_variants(text: str) -> list[str]:
    """Read names of `VARIANTS` that commas separate.

    Raises:
        LabError: One is unknown.
    """
    names = text.split(',')
    strange = [name for name in names if name not in VARIANTS]
    if strange:
        msg = f'received the variant {strange[0]!r}, expected some of: {", ".join(VARIANTS)}'
        raise LabError(msg)
    return names


def parse_seeds(text: str) -> list[int]:
    """Read numbers that commas separate.

    Raises:
        LabError: They are no different whole numbers of at least 0.
    """
    parts = text.split(',')
    if not all(part.isdecimal() for part in parts) or len(set(parts)) != len(parts):
        msg = f'received --seeds {text!r}, expected different whole numbers such as 0,1,2'
        raise LabError(msg)
    return [int(part) for part in parts]
