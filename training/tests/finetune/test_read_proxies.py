# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Proxies as a recipe asks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.proxies import Proxies, Unmixed, make_mixer, read_proxies
from anomaly_seg_training.proxies import ProxyError

BASE: dict[str, Any] = {'name': 'n', 'shares': {'cityscapes': 1.0}}


@pytest.mark.parametrize('least', [{}, {'min_photograph_side': 80}])
def test_photographs_are_taken_from_the_side_that_is_asked_for(
    proxies: dict[str, Any], least: dict[str, int]
) -> None:
    """The two photographs have 100x80 pixels."""
    recipe = FinetuneRecipe.from_dict(BASE | {'mixer': 'maxent', 'proxies': {**proxies, **least}})
    assert len(make_mixer(recipe, CITYSCAPES, Path()).proxies) == 2


def test_smaller_photographs_are_left_out(proxies: dict[str, Any]) -> None:
    options = {**proxies, 'min_photograph_side': 81}
    recipe = FinetuneRecipe.from_dict(BASE | {'mixer': 'maxent', 'proxies': options})
    with pytest.raises(ProxyError, match='none of the 2 photographs .* smaller than 81'):
        make_mixer(recipe, CITYSCAPES, Path())
    # Objects are cut out of photographs of any size.
    assert len(read_proxies(options, CITYSCAPES, Path())) == 2


def test_what_was_kept_is_told_by_name(proxies: dict[str, Any]) -> None:
    found = read_proxies({**proxies, 'drawn': 2}, CITYSCAPES, Path())
    assert len(found) == 4
    assert found.categories == sorted({'cow', found[2].category, found[3].category})
    assert read_proxies(proxies, CITYSCAPES, Path(), 'photographs').categories == ['cow']
    several = [*found[:1], *Proxies(found[2:3])]
    assert Proxies(several).categories == sorted({'cow', found[2].category})
    assert Proxies(Unmixed().proxies).categories == []


def test_known_objects_of_an_unlisted_category_are_one_clear_sentence(
    proxies: dict[str, Any], tmp_path: Path
) -> None:
    """The file's categories say nothing of the second object."""
    content = json.loads(Path(proxies['annotations']).read_text('utf-8'))
    content['annotations'][1] |= {'category_id': 999, 'id': 17}
    file = tmp_path / 'stray.json'
    file.write_text(json.dumps(content))
    options = {**proxies, 'annotations': str(file)}
    recipe = FinetuneRecipe.from_dict(BASE | {'mixer_options': {'known': 0.2}, 'proxies': options})
    for kind in ('objects', 'known'):
        with pytest.raises(LabError, match=r'stray\.json.* id 17 .*category_id 999') as error:
            read_proxies(options, CITYSCAPES, Path(), kind)
        assert '\n' not in str(error.value)
    with pytest.raises(LabError, match='category_id 999'):
        make_mixer(recipe, CITYSCAPES, Path())
