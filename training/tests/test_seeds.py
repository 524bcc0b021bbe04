# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several seeds side by side: the tables."""

from __future__ import annotations

from typing import Any

from anomaly_seg_training.seeds import markdown


def run(seed: int, ap: float, validation: dict[int, float] | None = None) -> dict[str, Any]:
    figures = {'auroc': 0.9, 'ap': ap, 'fpr95': 0.2}
    history = [
        {'step': step, 'miou': 0.6, 'energy': {'auroc': 0.9, 'ap': value, 'fpr95': 0.25}}
        for step, value in (validation or {}).items()
    ]
    return {
        'bundle': 'evidence',
        'engine': 'onnxruntime',
        'size': '1024x512',
        'cityscapes_mini/val': {'miou': 0.67, 'miou_per_image': 0.6},
        'RoadAnomaly': {'energy': figures},
        'training': {'seed': seed, 'steps': 10, 'minutes': 1.5, 'validation': history},
    }


def page(*runs: dict[str, Any]) -> str:
    return markdown({
        'outputs': ['energy'],
        'start': run(0, 0.1) | {'bundle': 'start'},
        'runs': list(runs),
        'provenance': {'command': 'anomaly-seg-lab measure seeds'},
    })  # fmt: skip


def test_mean_and_spread_stand_beside_the_start() -> None:
    text = page(run(0, 0.4), run(1, 0.5))
    assert '(90.00) | 45.00 ± 7.07 (10.00) | 20.00 ± 0.00 (20.00) |' in text
    assert '| 1 | 10 | 1.5 | energy | 50.00 / 20.00 |' in text
    assert 'pasted' not in text


def test_other_class_statistics_are_named() -> None:
    text = page(run(0, 0.4) | {'shrinkage': {'mean': 0.5, 'std': 0.75}})
    assert 'by 0.5 of the means and 0.75 of the deviations' in text
    assert 'drawn together' not in page(run(0, 0.4))


def test_what_a_sharper_second_stream_sees_is_named() -> None:
    trained = run(0, 0.4)
    recipe = trained['training']['recipe'] = {'stream_octaves': 4, 'stream_sharpness': 1.0}
    assert 'sees 4 octaves pooled at sharpness 1.' in page(trained)
    recipe['stream_mirrored'] = True
    assert 'sees 4 octaves, mirrored too, pooled at sharpness 1.' in page(trained)
    assert 'sharpness' not in page(run(0, 0.4))


def test_one_seed_has_no_spread() -> None:
    assert '| energy | 90.00 (90.00) | 40.00 (10.00) | 20.00 (20.00) |' in page(run(0, 0.4))


def test_what_was_measured_on_the_way_is_shown_where_all_runs_have_it() -> None:
    text = page(run(0, 0.4, {0: 0.1, 5: 0.2, 10: 0.3}), run(1, 0.5, {0: 0.1, 10: 0.4}))
    assert '| 0 | 10.00 ± 0.00 / 25.00 ± 0.00 |' in text
    assert '| 10 | 35.00 ± 7.07 / 25.00 ± 0.00 |' in text
    assert '| 5 |' not in text


def test_a_run_that_measured_nothing_on_the_way_leaves_that_table_out() -> None:
    assert 'pasted' not in page(run(0, 0.4, {10: 0.3}), run(1, 0.5))
