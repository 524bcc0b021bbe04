# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pilot study: held-out classes, one tiny study through its command, resumption, tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from anomaly_seg_training.benchmark import open_benchmark
from anomaly_seg_training.benchmark.held_out import class_names, hold_out
from anomaly_seg_training.data import READERS
from anomaly_seg_training.data.labelled import DataError
from anomaly_seg_training.main import main
from anomaly_seg_training.pilot import study as studying
from anomaly_seg_training.pilot.recipe import PilotRecipe
from anomaly_seg_training.pilot.table import table
from anomaly_seg_training.recipe_file import RecipeError

RECIPES = Path(__file__).resolve().parent.parent / 'recipes'
STUDY: dict[str, Any] = {
    'name': 'tiny', 'dataset': 'camvid', 'train': 'CamVid-train', 'test': 'CamVid-test',
    'hold_out': ['car', 'pedestrian', 'bicyclist'], 'view': '128x64', 'thresholds': 4,
    'subsets': {'flat': ['road', 'pavement'], 'rest': ['building', 'sky']},
    'segmenter': {
        'segmenter': 'streetnet',
        'options': {'widths': [8, 8, 16, 16], 'depths': [1, 1, 1, 1], 'neck': 8, 'head': 8},
        'crop': '64x64', 'batch': 2, 'steps': 6, 'epoch_steps': 3, 'norm_images': 2,
    },
    'finetune': {
        'loss': 'entropy_ratio', 'trained': 'all', 'crop': '64x64', 'batch': 2, 'steps': 2,
        'epoch_steps': 2, 'learning_rate': 0.001, 'ood_weight': 0.5,
    },
    'mgu': {'per_class': 1, 'min_pixels': 20, 'iterations': 3},
    'arms': {
        'start': {'unknown': 'start'}, 'MSP': {}, 'flat': {'unknown': 'flat'},
        'rest': {'unknown': 'rest'}, 'MGU + KL': {'unknown': 'mgu', 'changes': {'loss': 'kl'}},
    },
}  # fmt: skip


@pytest.mark.parametrize('path', sorted(RECIPES.glob('pilot*.yaml')), ids=lambda p: p.stem)
def test_every_study_of_the_repository_loads(path: Path) -> None:
    """All its arms are checked with it."""
    recipe = PilotRecipe.load(path)
    assert PilotRecipe.from_dict(recipe.as_dict()) == recipe
    assert {arm.unknown for arm in recipe.all_arms()} >= {'start', 'mgu'}


def test_held_out_classes_become_anomalies(data: Path) -> None:
    """CamVid's own eleven names; what is unlabelled stays ignored."""
    found = next(s for s in open_benchmark('camvid', data / 'camvid') if s.name == 'CamVid-test')
    names = class_names(found)
    assert len(names) == 11
    held = hold_out(found, ['car', 'bicyclist'])
    assert held.meaning.classes == tuple(n for n in names if n not in ('car', 'bicyclist'))
    values, (_, target), (_, labels) = (
        found.items[0].values(), held.items[0].read(), held.items[0].read_classes()
    )  # fmt: skip
    assert np.array_equal(target == 1, (values == 8) | (values == 10))
    assert np.array_equal(target == 255, values == 11)
    assert (labels[target == 1] == 255).all()
    # Pedestrians are the last class that is left.
    assert np.array_equal(labels == 8, values == 9)
    with pytest.raises(DataError, match="received 'cat' to hold out, expected some of: sky,"):
        hold_out(found, ['cat'])


def test_the_reader_leaves_out_and_marks(data: Path) -> None:
    """Held-out pixels teach nothing, marked ones are unknown, both are no label."""
    options = {'dataset': 'camvid', 'split': 'CamVid-train', 'hold_out': ['car']}
    bare = list(READERS.get('benchmark')(data, **options))
    marked = list(READERS.get('benchmark')(data, unknown=['road'], **options))
    road = bare[0].classes.index('road')
    for one, two in zip(bare, marked, strict=True):
        assert 'car' not in one.classes
        assert one.unknown is None
        assert two.labels is not None
        assert np.array_equal(two.unknown, one.labels == road)
        assert (two.labels[two.unknown] == 255).all()
    with pytest.raises(DataError, match="has no set '', expected one of: CamVid-train"):
        list(READERS.get('benchmark')(data, dataset='camvid'))
    with pytest.raises(DataError, match="the unknown class 'car', expected some of: sky"):
        list(READERS.get('benchmark')(data, unknown=['car'], **options))


def test_a_study_through_its_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken in its third arm, then gone on with: nothing is trained twice."""
    config, out = tmp_path / 'study.yaml', tmp_path / 'study.json'
    config.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    command = [
        'pilot', '--config', str(config), '--data', str(data), '--work', str(tmp_path / 'work'),
        '--out', str(out), '--seeds', '3', '--threads', '1', '--device', 'cpu',
    ]  # fmt: skip
    trained: list[str] = []
    finetune, train = studying.finetune, studying.train

    def watched(recipe: Any, run: Any) -> Path:
        trained.append(recipe.name)
        if len(trained) == 3:
            raise ConnectionResetError
        return finetune(recipe, run)

    def first(recipe: Any, run: Any) -> Path:
        trained.append('start')
        return train(recipe, run)

    monkeypatch.setattr(studying, 'finetune', watched)
    monkeypatch.setattr(studying, 'train', first)
    with pytest.raises(ConnectionResetError):
        main(command)
    assert not out.exists()
    assert main(command) == 0
    assert trained == ['start', 'tiny MSP', 'tiny flat', 'tiny flat', 'tiny rest', 'tiny MGU + KL']
    content = json.loads(out.read_text('utf-8'))
    by_arm = {entry['arm']: entry for entry in content['results']}
    assert list(by_arm) == list(STUDY['arms'])
    assert len(content['classes']) == 8
    assert by_arm['start']['ap'] != by_arm['MSP']['ap']
    assert 'without_taught' not in by_arm['MSP']
    flat = by_arm['flat']
    # Leaving normal pixels out makes anomalies a larger share.
    assert flat['without_taught']['random_ap'] > flat['random_ap'] > 0
    curve = flat['threshold_analysis']
    assert curve['anomaly_accuracy'] == sorted(curve['anomaly_accuracy'], reverse=True)
    text = out.with_suffix('.md').read_text('utf-8')
    assert text == table(content)
    assert '| best less worst |' in text
    assert f'| MSP | none | {100 * by_arm["MSP"]["ap"]:.1f} |' in text
    capsys.readouterr()
    out.with_suffix('.md').unlink()
    assert main(['tables', 'markdown', str(out)]) == 0
    assert out.with_suffix('.md').read_text('utf-8') == text

    config.write_text(yaml.safe_dump(STUDY | {'view': '64x64'}, sort_keys=False))
    assert main(command) == 2
    assert 'is of a recipe with another view: go on with that recipe' in capsys.readouterr().err
    config.write_text(
        yaml.safe_dump(STUDY | {'subsets': {'flat': ['moon'], 'rest': ['sky']}}, sort_keys=False)
    )
    assert main([*command, '--work', str(tmp_path / 'other')]) == 2
    assert "the subset flat has 'moon', expected some of: sky" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'subsets': {'a': ['car']}}, "'subsets': received {'a': ['car']}, expected classes that"),
        ({'subsets': {'mgu': ['sky']}}, "received 'mgu', expected not start, none or mgu"),
        ({'arms': {'a': {'unknown': 'moon'}}}, "received {'a': 'moon'}, expected one of"),
        ({'arms': {'a': {'colour': 1}}}, 'expected some of the keys unknown, proxies, changes'),
        ({'arms': {}}, "'arms': received {}, expected an arm at least"),
        ({'mgu': {'speed': 1}}, "'speed' is none of"),
        ({'steps': [0, 1]}, "'steps': received [0, 1], expected two numbers"),
        ({'finetune': {'loss': 'hinge'}}, "'loss': received 'hinge', expected one of"),
        ({'segmenter': {'segmenter': 'x', 'teacher_weight': 1.0}}, 'expected 0 without a teacher'),
    ],
)
def test_mistakes_are_one_clear_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        PilotRecipe.from_dict(STUDY | change)
    assert message in str(error.value)
    assert '\n' not in str(error.value)
