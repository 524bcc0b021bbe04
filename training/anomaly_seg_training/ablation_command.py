# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab ablation``: one schedule, tables of variants, several seeds."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.options import check_at_least

RESULTS = 'ablations.json'


def add_ablation_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``ablation``."""
    parser.add_argument(
        '--config', type=Path, required=True, help='schedule and tables, a YAML file'
    )
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--out', type=Path, required=True,
        help='folder of the runs; what is done there is not done again',
    )  # fmt: skip
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument('--bundle', help='start from a bundle with weights, or default')
    start.add_argument(
        '--checkpoint', type=Path, metavar='FILE', help="start from the schedule's segmenter's"
    )
    parser.add_argument('--tables', metavar='A,B', help='default: all')
    parser.add_argument('--seeds', metavar='A,B', default='0,1,2', help='default: %(default)s')
    parser.add_argument('--steps', type=int, help="instead of the schedule's")
    parser.add_argument(
        '--adain', type=Path, metavar='FILE', help="weights of the aligner 'adain'"
    )
    parser.add_argument('--issa', type=Path, metavar='FILE', help="weights of the aligner 'issa'")
    parser.add_argument(
        '--jobs', type=int, default=1, help='runs side by side (default: %(default)s)'
    )
    parser.add_argument(
        '--threads', type=int, default=1, help='CPU threads of each (default: %(default)s)'
    )
    parser.add_argument('--accelerator', default='auto', choices=('auto', 'cpu', 'gpu', 'mps'))
    parser.add_argument(
        '--max-minutes', type=float, help='begin nothing after it; what runs then is ended'
    )
    parser.add_argument(
        '--gather', action='store_true', help='run nothing, only collect what is done'
    )
    parser.add_argument(
        '--json', type=Path, metavar='FILE',
        help=f'where all results are collected (default: {RESULTS} in --out)',
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from anomaly_seg_ros.files import write_json
    from anomaly_seg_training.ablation.plan import make_plan
    from anomaly_seg_training.ablation.recipe import AblationRecipe
    from anomaly_seg_training.ablation.results import gather
    from anomaly_seg_training.ablation.run import is_done, run_trials
    from anomaly_seg_training.ablation.trial import Place
    from anomaly_seg_training.alignment import TRAINED

    check_at_least(arguments, jobs=1)
    recipe = AblationRecipe.load(arguments.config)
    if arguments.tables is not None:
        recipe = recipe.only(arguments.tables.split(','))
    if arguments.steps is not None:
        recipe = recipe.with_steps(arguments.steps)
    seeds = _seeds(arguments.seeds)
    place = Place(
        arguments.data, arguments.out, arguments.bundle, arguments.checkpoint,
        arguments.accelerator, arguments.threads,
    )  # fmt: skip
    weights = {n: getattr(arguments, n) for n in TRAINED if getattr(arguments, n) is not None}
    # The start is loaded once before anything runs: what is wrong with it is said here.
    start = place.run_settings().load_start(recipe.resolve({}, 'schedule')).about
    plan = make_plan(recipe, start['sha256'], seeds, weights)
    for table, arms in plan.tables.items():
        for name, arm in arms.items():
            if arm.reason:
                print(f'{table}: {name} is not run: {arm.reason}')
    trials = [plan.start, *plan.trials.values()]
    done = sum(is_done(place, trial) for trial in trials)
    print(f'{done} of {len(trials)} runs are done', flush=True)
    if not arguments.gather:
        for trial, content in run_trials(trials, place, arguments.jobs, arguments.max_minutes):
            done += 'sets' in content
            what = content.get('failed') or f'mIoU {100 * content["miou"]:.2f}'
            print(f'{done} of {len(trials)}: {trial.key} seed {trial.seed}: {what}', flush=True)
    out = arguments.json or arguments.out / RESULTS
    write_json(out, gather(recipe, plan, place, start, seeds))
    print(out)


def _seeds(text: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(word) for word in text.split(',')))
    except ValueError as error:
        msg = f'received --seeds {text!r}, expected whole numbers with commas between them'
        raise LabError(msg) from error
