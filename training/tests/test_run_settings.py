# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where and how long a run trains: what is refused before anything is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from anomaly_seg_training.errors import LabError
from anomaly_seg_training.run_settings import RunSettings


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'max_minutes': 0.0}, 'received --max-minutes 0.0, expected more than 0'),
        ({'max_minutes': -3.0}, 'received --max-minutes -3.0, expected more than 0'),
        ({'max_minutes': math.nan}, 'received --max-minutes nan, expected more than 0'),
        ({'seed': -1}, 'received --seed -1, expected 0 to 4294967295'),
        ({'seed': 2**32}, 'received --seed 4294967296, expected 0 to 4294967295'),
        ({'devices': '0'}, "received --devices 0, expected 'auto' or a number from 1 on"),
        ({'devices': 'two'}, "received --devices two, expected 'auto' or a number from 1 on"),
        ({'nodes': 0}, 'received --nodes 0, expected at least 1'),
        ({'workers': -1}, 'received --workers -1, expected at least 0'),
        ({'threads': -1}, 'received --threads -1, expected at least 0'),
    ],
)
def test_values_out_of_range_are_one_clear_sentence(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(LabError) as error:
        RunSettings(data=tmp_path, out=tmp_path, **settings).check()
    assert str(error.value) == message


@pytest.mark.parametrize(
    'settings', [{}, {'max_minutes': 1e-9, 'seed': 2**32 - 1}, {'max_minutes': math.inf}]
)
def test_values_at_the_ends_of_the_ranges_are_taken(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    RunSettings(data=tmp_path, out=tmp_path, **settings).check()


def test_nothing_to_resume_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match='there is no checkpoint .*last.ckpt to resume: start'):
        RunSettings(data=tmp_path, out=tmp_path, resume=True).check()
