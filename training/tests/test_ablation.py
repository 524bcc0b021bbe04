# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ablations: which runs are one, what continues, and tables from stored JSON alone."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY
from support import benchmark_layouts as layouts
from support.tiny_networks import STREETNET

from anomaly_seg_ros.images import read_image
from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_training.ablation.plan import make_plan
from anomaly_seg_training.ablation.recipe import AblationRecipe
from anomaly_seg_training.evaluation import benchmark_sets
from anomaly_seg_training.finetune.finetuning import FinetuneRun
from anomaly_seg_training.finetune.worst import load_both, worst_images
from anomaly_seg_training.main import main
from anomaly_seg_training.recipe_file import RecipeError

RESULTS = REPOSITORY / 'docs' / 'results'
SQUARE = [[20.0, 10.0, 80.0, 10.0, 80.0, 70.0, 20.0, 70.0]]


def _recipe(**schedule: Any) -> dict[str, Any]:
    return {
        'name': 'tiny',
        'size': '64x32',
        'scores': ['max_logit', 'entropy'],
        'schedule': {
            'segmenter': 'streetnet', 'options': STREETNET, 'shares': {'cityscapes': 1.0},
            'crop': '32x32', 'scale': [0.2, 0.3], 'batch': 1, 'steps': 2, 'trained': 'last',
            'validation_frames': 1, 'validation_size': '64x32', 'learning_rate': 0.01,
            'mixer_options': {'probability': 1.0},
            **schedule,
        },
        'tables': {
            'k': {'title': 'Logits', 'arms': {'five': {}, 'three': {'loss_options': {'k': 3}}}},
            'aligners': {
                'title': 'Alignment', 'arms': {'none': {'aligner': 'none'},
                                               'adain': {'aligner': 'adain'}},
            },
        },
    }  # fmt: skip


def test_equal_arms_are_one_run(tmp_path: Path) -> None:
    recipe = AblationRecipe.from_dict(_recipe())
    plan = make_plan(recipe, 'abc', [0, 1], {})
    # `five` and `none` change nothing; adain has no network.
    assert len(plan.trials) == 4
    assert plan.tables['k']['five'].trials == plan.tables['aligners']['none'].trials
    assert [trial.seed for trial in plan.trials.values()] == [0, 0, 1, 1]
    adain = plan.tables['aligners']['adain']
    assert not adain.trials
    assert adain.reason == "--adain was not given: the aligner 'adain' needs a trained network"
    assert {t.recipe.epoch_steps for t in plan.trials.values()} == {2}
    for changed in (
        make_plan(recipe, 'abd', [0, 1], {}),
        make_plan(recipe.with_steps(3), 'abc', [0, 1], {}),
        make_plan(recipe, 'abc', [2], {}),
    ):
        assert not set(changed.trials) & set(plan.trials)
    # A network is what its file holds, wherever that is.
    first, second = tmp_path / 'first', tmp_path / 'second'
    for path, text in ((first, 'a'), (second, 'a')):
        path.write_text(text)
    keys = [make_plan(recipe, 'abc', [0], {'adain': path}) for path in (first, second)]
    assert set(keys[0].trials) == set(keys[1].trials)
    assert len(keys[0].trials) == 3
    second.write_text('b')
    other = make_plan(recipe, 'abc', [0], {'adain': second})
    assert len(set(other.trials) & set(keys[0].trials)) == 2


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'scores': ['magic']}, "received 'magic', expected names of"),
        ({'tables': {'k': {'arms': {}}}}, "'tables.k': received {'arms': {}}, expected the keys"),
        (
            {'tables': {'k': {'title': '', 'arms': {'a': {'stepps': 1}}}}},
            "tables.k.arms.a: unknown recipe key 'stepps'",
        ),
        (
            {'tables': {'k': {'title': '', 'arms': {'a': {'mixer_options': {'scales': 1}}}}}},
            "tables.k.arms.a: unknown recipe key 'scales'",
        ),
        ({'schedule': {}}, "the recipe has no key 'shares'"),
    ],
)
def test_mistakes_are_found_before_anything_runs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        AblationRecipe.from_dict(_recipe() | changes)
    assert message in str(error.value)


@pytest.mark.parametrize('name', ['ablation_default', 'ablation_erfnet'])
def test_recipes_of_the_lab_can_be_planned(name: str) -> None:
    recipe = AblationRecipe.load(REPOSITORY / 'training' / 'recipes' / f'{name}.yaml')
    plan = make_plan(recipe, 'abc', [0, 1, 2], {})
    arms = [arm for arms in plan.tables.values() for arm in arms.values()]
    assert {arm.reason.split()[0] for arm in arms if arm.reason} == {'--adain', '--issa'}
    assert len(plan.trials) < 3 * sum(not arm.reason for arm in arms)
    assert recipe.only(['k']).tables.keys() == {'k'}
    with pytest.raises(RecipeError, match="received 'l', expected names of"):
        recipe.only(['l'])


@pytest.fixture(scope='module')
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets, photographs of cows, a start and a recipe, and what the command made of them."""
    import cv2

    root = tmp_path_factory.mktemp('ablation')
    (root / 'data').mkdir()
    for name in ('cityscapes_mini',):
        (root / 'data' / name).symlink_to(data / name)
    layouts.road_anomaly_val(root / 'data' / 'road_anomaly_val')
    (root / 'data' / 'cows').mkdir()
    cv2.imwrite(str(root / 'data' / 'cows' / '0.png'), np.full((80, 100, 3), 200, np.uint8))
    item = {'image_id': 0, 'category_id': 21, 'segmentation': SQUARE, 'area': 3600, 'iscrowd': 0}
    content = {
        'images': [{'id': 0, 'file_name': '0.png'}], 'annotations': [item],
        'categories': [{'id': 21, 'name': 'cow'}],
    }  # fmt: skip
    (root / 'data' / 'cows' / 'instances.json').write_text(json.dumps(content))
    torch.manual_seed(0)
    network = create_segmenter('streetnet', num_classes=19, **STREETNET)
    torch.save(network.state_dict(), root / 'start.pth')
    proxies = {'annotations': 'cows/instances.json', 'images': 'cows'}
    recipe = _recipe(proxies=proxies, validation_proxies=proxies)
    (root / 'recipe.yaml').write_text(yaml.safe_dump(recipe))
    assert _ablate(root, '--seeds', '0,1', '--tables', 'k,aligners') == 0
    return root


def _ablate(root: Path, *arguments: str) -> int:
    return main([
        'ablation', '--config', str(root / 'recipe.yaml'), '--data', str(root / 'data'),
        '--checkpoint', str(root / 'start.pth'), '--out', str(root / 'out'),
        '--accelerator', 'cpu', *arguments,
    ])  # fmt: skip


def test_every_arm_and_seed_is_trained_and_measured(folder: Path) -> None:
    content = json.loads((folder / 'out' / 'ablations.json').read_text())
    assert len(content['runs']) == 5
    assert content['missing'] == {}
    arms = content['tables']['k']['arms']
    start = content['runs'][content['start']['key']]
    five, three = (content['runs'][arms[name]['runs']['0']] for name in ('five', 'three'))
    for run in (start, five, three):
        assert 0 <= run['miou'] <= 1
        assert set(run['sets']) == {'FS_LostFound_full', 'RoadAnomaly', 'fs_static'}
        for figures in (*run['sets'].values(), run['validation']):
            assert {'max_logit', 'entropy'} <= set(figures)
            assert set(figures['max_logit']) == {'auroc', 'ap', 'fpr95'}
    values = [run['validation']['max_logit']['ap'] for run in (start, five, three)]
    assert len(set(values)) == 3, 'training changed nothing'
    assert content['provenance']['command'].startswith('anomaly-seg-lab')
    assert str(folder) not in json.dumps(content)


def test_what_is_done_is_not_done_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / 'out'
    content = json.loads((out / 'ablations.json').read_text())
    key = content['tables']['k']['arms']['three']['runs']['1']
    before = json.loads((out / f'{key}.json').read_text())
    times = {path: path.stat().st_mtime_ns for path in out.glob('*.json') if path.stem != key}
    del times[out / 'ablations.json']
    # Killed after training: the figures are missing, the weights are there.
    (out / f'{key}.json').unlink()
    weights = (out / key / 'weights.safetensors').stat().st_mtime_ns
    assert _ablate(folder, '--seeds', '0,1', '--max-minutes', '0') == 0
    assert json.loads((out / 'ablations.json').read_text())['missing'] == {key: 'not run yet'}
    assert _ablate(folder, '--seeds', '0,1', '--jobs', '2') == 0
    assert '5 of 5: ' in capsys.readouterr().out
    assert times == {path: path.stat().st_mtime_ns for path in times}
    assert weights == (out / key / 'weights.safetensors').stat().st_mtime_ns
    after = json.loads((out / f'{key}.json').read_text())
    for part in ('miou', 'miou_per_frame', 'sets', 'validation'):
        assert after[part] == before[part]


def test_tables_hold_means_and_spreads_of_what_is_stored(folder: Path, tmp_path: Path) -> None:
    file, out = folder / 'out' / 'ablations.json', tmp_path / 'page.md'
    content = json.loads(file.read_text())
    assert main(['tables', 'ablations', str(file), '--out', str(out)]) == 0
    text = out.read_text('utf-8')
    keys = content['tables']['k']['arms']['three']['runs'].values()
    values = [100 * content['runs'][key]['sets']['RoadAnomaly']['entropy']['ap'] for key in keys]
    cell = f'{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}'
    place = text.partition('### Logits: RoadAnomaly')[2].partition('###')[0]
    (row,) = (line for line in place.splitlines() if line.startswith('| three |'))
    assert row.split('|')[3].split(' / ')[1] == cell
    assert '2 steps of 1 crops of 32x32' in text
    assert '| three | `loss_options: {k: 3}` | 2 |' in text
    assert "- adain was not run: --adain was not given: the aligner 'adain' needs" in text
    # One seed has no spread, and none no figure.
    del content['runs'][list(keys)[1]]
    (tmp_path / 'one.json').write_text(json.dumps(content))
    assert main(['tables', 'ablations', str(tmp_path / 'one.json')]) == 0
    text = (tmp_path / 'one.md').read_text('utf-8')
    place = text.partition('### Logits: RoadAnomaly')[2].partition('###')[0]
    assert f' / {values[0]:.2f} / ' in place
    (row,) = (line for line in text.splitlines() if line.startswith('| adain | `aligner'))
    assert row.endswith('| 0 | — | — | — / — | — / — | — / — | — / — |')


def test_the_committed_page_is_what_the_command_makes(tmp_path: Path) -> None:
    file = RESULTS / 'finetune_ablations.json'
    if not file.is_file():
        pytest.skip('no ablations are stored')
    out = tmp_path / 'page.md'
    assert main(['tables', 'ablations', str(file), '--out', str(out)]) == 0
    committed = file.with_suffix('.md').read_text('utf-8')
    hint = 'make it anew: anomaly-seg-lab tables ablations docs/results/finetune_ablations.json'
    assert out.read_text('utf-8') == committed, hint


def test_other_files_and_mistakes_are_one_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'other.json').write_text('{"kind": "other"}')
    assert main(['tables', 'ablations', str(tmp_path / 'other.json')]) == 2
    assert 'holds no ablations' in capsys.readouterr().err
    for arguments, message in (
        (('--seeds', 'a'), "received --seeds 'a'"),
        (('--jobs', '0'), 'received --jobs 0'),
        (('--issa', str(tmp_path / 'absent')), 'expected the weights that train issa wrote'),
    ):
        assert _ablate(folder, *arguments) == 2
        assert message in capsys.readouterr().err


def test_the_worst_images_are_shown_before_and_after(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((folder / 'out' / 'ablations.json').read_text())
    key = content['tables']['k']['arms']['five']['runs']['0']
    root = folder / 'data' / 'road_anomaly_val'
    command = [
        'worst', '--run', str(folder / 'out' / key), '--dataset', 'road_anomaly_val',
        '--root', str(root), '--set', 'RoadAnomaly', '--size', '64x32', '--width', '200',
        '--device', 'cpu', '--out',
    ]  # fmt: skip
    picture = tmp_path / 'worst.png'
    assert main([*command, str(picture), '--checkpoint', str(folder / 'start.pth')]) == 0
    page = read_image(picture)
    # Two images in rows of four pictures of 200 pixels, with gaps of 8.
    assert page.shape[1] == 4 * 200 + 5 * 8
    run = FinetuneRun(
        data=root, out=folder / 'out' / key, start_checkpoint=folder / 'start.pth', threads=1
    )
    before, after = load_both(run, Size(64, 32), 'cpu')
    (found,) = benchmark_sets('road_anomaly_val', root, ['RoadAnomaly'])
    shown = worst_images(found, before, 'max_logit', Size(64, 32), 2)
    one = worst_images(found, before, 'max_logit', Size(64, 32), 1)
    changed = after.run(shown[0].image[None], ('max_logit',))['max_logit'][0]
    assert [entry.name for entry in one] == [shown[0].name]
    assert shown[0].ap < shown[1].ap
    assert not np.allclose(changed, shown[0].before)
    for entry in shown:
        assert entry.ap == pytest.approx(_average_precision(entry.before, entry.target))
    other = tmp_path / 'other.pth'
    torch.manual_seed(1)
    torch.save(create_segmenter('streetnet', num_classes=19, **STREETNET).state_dict(), other)
    for arguments, message in (
        ((str(picture), '--checkpoint', str(other)), 'is not what the run'),
        ((str(tmp_path / 'a.txt'), '--checkpoint', str(other)), 'a name that ends in .png'),
        ((str(picture), '--checkpoint', str(other), '--score', 'magic'), 'magic'),
    ):
        assert main([*command, *arguments]) == 2
        assert message in capsys.readouterr().err


def _average_precision(score: np.ndarray, target: np.ndarray) -> float:
    """Sum over thresholds of the step in recall times the precision there."""
    total = precision = recall = 0.0
    for threshold in sorted(set(score[target != 255].tolist()), reverse=True):
        taken = (score >= threshold) & (target != 255)
        precision = float((target[taken] == 1).mean())
        now = float((target[taken] == 1).sum() / (target == 1).sum())
        total += (now - recall) * precision
        recall = now
    return total
