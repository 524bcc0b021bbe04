# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes: what is refused, and how it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from anomaly_seg_training.config import RecipeError, SegmenterRecipe

BASE: dict[str, Any] = {
    'name': 'n', 'segmenter': 'streetnet', 'teacher': 'erfnet', 'shares': {'cityscapes': 1.0},
}  # fmt: skip
RECIPES = Path(__file__).resolve().parent.parent / 'recipes'


SEGMENTERS = sorted(RECIPES.glob('*_cityscapes.yaml'))


@pytest.mark.parametrize('path', SEGMENTERS, ids=lambda p: p.stem)
def test_every_segmenters_recipe_loads(path: Path) -> None:
    recipe = SegmenterRecipe.load(path)
    assert SegmenterRecipe.from_dict(recipe.as_dict()) == recipe
    assert '/home' not in path.read_text('utf-8')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'colour': 1}, "unknown recipe key 'colour'; expected some of: name, "),
        ({'steps': 'many'}, "recipe key 'steps': received 'many' (str), expected int"),
        ({'steps': 2.5}, "recipe key 'steps': received 2.5 (float), expected int"),
        ({'steps': True}, "recipe key 'steps': received True (bool), expected int"),
        ({'steps': 0}, "recipe key 'steps': received 0, expected at least 1"),
        ({'ema': 1.5}, "recipe key 'ema': received 1.5, expected 0 to 1"),
        ({'learning_rate': 0}, "recipe key 'learning_rate': received 0.0, expected more than 0"),
        ({'crop': '500x320'}, "recipe key 'crop': received 500x320, expected multiples of 32"),
        ({'crop': 'big'}, "recipe key 'crop': received the size 'big', expected WIDTHxHEIGHT"),
        ({'scale': [2.0, 1.0]}, "recipe key 'scale': received [2.0, 1.0], expected two positive"),
        ({'shares': {'kitti': 1.0}}, "recipe key 'shares': received 'kitti', expected names of"),
        ({'teacher': ''}, "recipe key 'teacher_weight': received 1.0, expected 0 without"),
        ({'classes': ['road']}, "received 'erfnet', expected none for other classes"),
        ({'shares': {'camvid': 0.0}}, 'expected shares of at least 0 that are not all 0'),
    ],
)
def test_bad_values_are_one_clear_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        SegmenterRecipe.from_dict(BASE | change)
    assert message in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('key', sorted(set(BASE) - {'teacher'}))
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(RecipeError, match=f"the recipe has no key '{key}'"):
        SegmenterRecipe.from_dict({k: v for k, v in BASE.items() if k != key})


@pytest.mark.parametrize(
    ('text', 'message'),
    [('- a\n- b\n', 'holds list, expected keys'), ('a: [1', 'is not valid YAML'),
     ('a: !!python/object/apply:os.getcwd []', 'is not valid YAML')],
)  # fmt: skip
def test_bad_files_are_clear_errors(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / 'r.yaml').write_text(text)
    with pytest.raises(RecipeError, match=message):
        SegmenterRecipe.load(tmp_path / 'r.yaml')
    with pytest.raises(RecipeError, match='cannot read the recipe .*absent'):
        SegmenterRecipe.load(tmp_path / 'absent.yaml')


def test_whole_numbers_are_floats_where_floats_belong() -> None:
    assert SegmenterRecipe.from_dict(BASE | {'temperature': 2}).temperature == 2.0


def test_a_recipe_takes_what_it_does_not_say_from_the_one_it_extends(tmp_path: Path) -> None:
    _write(tmp_path / 'first.yaml', BASE | {'steps': 7, 'shares': {'cityscapes': 1.0}})
    _write(tmp_path / 'second.yaml', {'extends': 'first.yaml', 'steps': 8, 'crop': '64x64'})
    changes = {'extends': 'second.yaml', 'shares': {'camvid': 1.0}, 'steps': 9}
    _write(tmp_path / 'third.yaml', changes)
    expected = BASE | {'steps': 9, 'crop': '64x64', 'shares': {'camvid': 1.0}}
    assert SegmenterRecipe.load(tmp_path / 'third.yaml') == SegmenterRecipe.from_dict(expected)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('../first.yaml', "'extends': received '../first.yaml', expected the name of a file"),
        ('/etc/passwd', "'extends': received '/etc/passwd', expected the name of a file"),
        ('..', "'extends': received '..', expected the name of a file"),
        (3, "'extends': received 3, expected the name of a file"),
        ('', "'extends': received '', expected the name of a file"),
        ('recipe.yaml', "'recipe.yaml', expected a file that does not extend recipe.yaml"),
        ('absent.yaml', 'absent.yaml: No such file or directory'),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, name: object, message: str) -> None:
    _write(tmp_path / 'recipe.yaml', BASE | {'extends': name})
    with pytest.raises(RecipeError) as error:
        SegmenterRecipe.load(tmp_path / 'recipe.yaml')
    assert message in str(error.value)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content), 'utf-8')
