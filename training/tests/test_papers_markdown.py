# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab tables papers``: our figures beside the papers', from stored JSON alone."""

from __future__ import annotations

import json
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from support import benchmark_layouts as layouts
from support.weights_bundle import build_weights_bundle

from anomaly_seg_training.main import main
from anomaly_seg_training.papers import paper_tables
from anomaly_seg_training.papers.markdown import methods
from anomaly_seg_training.papers.methods import OTHER, PLAIN, SYNBOOST, method_of

RESULTS = REPOSITORY / 'docs' / 'results'
PERCENT = {'energy': {'auroc': 50, 'ap': 0, 'fpr95': 0}}
BUNDLE = json.dumps(
    {'bundle': 'b', 'engine': 'e', 'hashes': {}, 'size': '1x1', 'RoadAnomaly': PERCENT}
)


def _make(out: Path, *arguments: object) -> str:
    assert main(['tables', 'papers', '--out', str(out), *map(str, arguments)]) == 0
    return out.read_text('utf-8')


def _cells(text: str, table: str, method: str) -> list[str]:
    """The cells of a method in a table, by the table's heading."""
    body = text.partition(f'### Table {table}')[2].partition('###')[0]
    (line,) = (line for line in body.splitlines() if line.startswith(f'| {method} |'))
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_the_committed_page_is_what_the_command_makes(tmp_path: Path) -> None:
    committed = (RESULTS / 'papers.md').read_text('utf-8')
    command = shlex.split(committed.partition('Made by `')[2].partition('`')[0])
    trained = [word for word in command if '=' in word]
    files = sorted(RESULTS.glob('*.json'))
    arguments = [x for pair in trained for x in ('--trained', pair)]
    text = _make(tmp_path / 'papers.md', '--results', *files, *arguments)
    hint = 'make it anew: anomaly-seg-lab tables papers --results docs/results/*.json'
    assert text == committed, f'{hint} {" ".join(arguments)} --out docs/results/papers.md'


def test_without_results_every_table_is_there_and_nothing_is_measured(tmp_path: Path) -> None:
    text = _make(tmp_path / 'papers.md')
    assert text.count('\n### Table') == len(paper_tables())
    missing = text.partition('## Not measured yet')[2]
    assert '- SynBoost, table 1, Fishyscapes Lost & Found: all methods' in missing
    assert _cells(text, '4: methods on Road Anomaly', 'Ours (Energy)') == [
        'Ours (Energy)', 'yes', '89.65 / 46.39 / 38.09', '—',
    ]  # fmt: skip
    assert '(a)' not in text


@pytest.fixture(scope='module')
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `evaluate` stores for a random network on three tiny sets."""
    folder = tmp_path_factory.mktemp('evaluated')
    layouts.road_anomaly_val(folder / 'sets')
    bundle = build_weights_bundle(folder / 'bundle')
    file = folder / 'evaluated.json'
    command = ['--dataset', 'road_anomaly_val', '--root', folder / 'sets', '--bundle', bundle]
    command += ['--json', file, '--scores', 'energy,entropy', '--size', '24x16', '--flip']
    assert main(['evaluate', *map(str, command), '--threads', '1']) == 0
    return file


def test_what_evaluate_stored_stands_beside_its_method(evaluated: Path, tmp_path: Path) -> None:
    text = _make(tmp_path / 'papers.md', '--results', evaluated)
    rows = {(r['set'], r['score']): r for r in json.loads(evaluated.read_text())['results']}
    row = rows['RoadAnomaly', 'energy']
    figures = ' / '.join(f'{100 * row[key]:.2f}' for key in ('auroc', 'ap', 'fpr95'))
    cell = _cells(text, '4: methods on Road Anomaly', 'Energy')[-1]
    assert cell.startswith(f'{figures} (')
    mark = cell.partition('(')[2].rstrip(')')
    assert (
        f'| {mark} | evaluated.json | random, mean with mirror image | FS_LostFound_full (2), '
        'fs_static (2), RoadAnomaly (2) | 24x16 | 32x16 | fishyscapes |' in text
    )
    assert 'Road Anomaly in the paper: all, 60 images; RoadAnomaly: ' in text
    assert _cells(text, '4: methods on Road Anomaly', 'Max Logit (ML)')[-1] == '—'
    lost = rows['FS_LostFound_full', 'entropy']
    first = _cells(text, '1: methods on the test sets', 'Softmax Entropy')
    assert f'{100 * lost["ap"]:.2f} / {100 * lost["fpr95"]:.2f} (' in first[6]
    assert '- SynBoost, table 1, Fishyscapes Lost & Found: Embedding Density; ' in text


def test_a_trained_network_stands_beside_its_method_alone(evaluated: Path, tmp_path: Path) -> None:
    text = _make(
        tmp_path / 'papers.md', '--results', evaluated, '--trained', 'random=style_aligned_ovr'
    )
    assert _cells(text, '4: methods on Road Anomaly', 'Energy')[-1] == '—'
    assert _cells(text, '4: methods on Road Anomaly', 'Ours (Energy)')[-1].endswith(')')
    aligned = _cells(text, '2: what style alignment adds', 'Energy')
    assert aligned[-2] == '—'
    assert aligned[-1].endswith(')')
    assert '--trained random=style_aligned_ovr`' in text


def test_refinements_and_bundles_are_read(tmp_path: Path) -> None:
    bundle = json.loads((RESULTS / 'default_bundle.json').read_text())
    files = [RESULTS / 'refinements.json', tmp_path / 'bundle.json']
    files[1].write_text(json.dumps(bundle | {'training': {}}))
    text = _make(tmp_path / 'papers.md', '--results', *files)
    stored = json.loads(files[0].read_text())
    values = []
    for refinement in ('sml+suppress+smooth', 'sml+suppress+smooth+vde'):
        row = next(
            r for r in stored['results']
            if (r['set'], r['score'], r['refinement'])
            == ('FS_LostFound_full', 'max_logit', refinement)
        )  # fmt: skip
        values.append(' / '.join(f'{100 * row[key]:.2f}' for key in ('ap', 'auroc', 'fpr95')))
    assert _cells(text, '3: VDE and SML', 'SML (reproduced)')[-1].startswith(values[0])
    assert _cells(text, '3: VDE and SML', 'VDE')[-1].startswith(values[1])
    miou = f'{100 * bundle["cityscapes_mini/val"]["miou"]:.2f}'
    assert _cells(text, '1: methods on Fishyscapes', 'Energy')[6].startswith(miou)


def _spread(figures: Sequence[dict[str, float]], *keys: str) -> str:
    columns = [[100 * figure[key] for figure in figures] for key in keys]
    return ' / '.join(f'{statistics.mean(c):.2f} ± {statistics.stdev(c):.2f}' for c in columns)


def test_several_trainings_are_mean_and_spread(tmp_path: Path) -> None:
    files = [RESULTS / name for name in ('erfnet_octaves.json', 'synboost_erfnet.json')]
    text = _make(tmp_path / 'papers.md', '--results', *files)
    tuned, synboost = (json.loads(file.read_text()) for file in files)
    runs = [run['RoadAnomaly']['energy'] for run in tuned['runs']]
    cell = _cells(text, '4: methods on Road Anomaly', 'Ours (Energy)')[-1]
    assert cell.startswith(_spread(runs, 'auroc', 'ap', 'fpr95') + ' (')
    assert _cells(text, '4: methods on Road Anomaly', 'Energy')[-1] == '—'
    for variant, name in (('full', 'Full Framework'), ('resynthesis', 'Image Resyn.++')):
        seeds = [seed['sets'] for seed in synboost['variants'][variant].values()]
        for place, column in (('FS_LostFound_full', -2), ('fs_static', -1)):
            cell = _cells(text, '2: ablation, mean', name)[column]
            assert cell.startswith(_spread([s[place]['synboost'] for s in seeds], 'ap', 'fpr95'))
    network = 'SynBoost around erfnet_start, 1200 steps'
    assert f'| {network}, resynthesis, 3 seeds | FS_LostFound_full, fs_static |' in text


def test_scores_standardised_in_another_way_are_no_papers_sml(tmp_path: Path) -> None:
    content = json.loads((RESULTS / 'default_bundle.json').read_text())
    figures = content['FS_LostFound_full']['max_logit']
    content['FS_LostFound_full']['max_logit+sml+suppress+smooth'] = figures
    content['training'] = {}
    cells = {}
    for name, changes in (('plain', {}), ('drawn', {'shrinkage': {'mean': 0.5, 'std': 0.75}})):
        file = tmp_path / f'{name}.json'
        file.write_text(json.dumps(content | changes))
        text = _make(tmp_path / f'{name}.md', '--results', file)
        cells[name] = _cells(text, '3: VDE and SML', 'SML (reproduced)')[-1]
        assert _cells(text, '1: methods on Fishyscapes', 'Energy')[6] != '—'
    assert cells['plain'].startswith(f'{100 * figures["ap"]:.2f}')
    assert cells['drawn'] == '—'


def test_arms_of_an_ablation_stand_beside_their_methods(tmp_path: Path) -> None:
    file = RESULTS / 'finetune_ablations.json'
    text = _make(tmp_path / 'papers.md', '--results', file)
    content = json.loads(file.read_text())

    def of(table: str, arm: str) -> str:
        runs = content['tables'][table]['arms'][arm]['runs'].values()
        place, keys = 'FS_LostFound_full', ('auroc', 'ap', 'fpr95')
        return _spread([content['runs'][run]['sets'][place]['energy'] for run in runs], *keys)

    cells = _cells(text, '2: what style alignment adds', 'Energy')
    assert cells[-2].startswith(of('aligners', 'none') + ' (')
    first, second = cells[-1].split('<br>')
    assert first.startswith(of('aligners', 'issa'))
    assert second.startswith(of('k', 'K = 5'))
    for k in (3, 7):
        cell = _cells(text, '3: the number K', f'Ours (Energy), K = {k}')[-1]
        assert cell.startswith(of('k', f'K = {k}') + ' (')
    assert 'trained: head' not in text


def test_who_has_seen_anomalies_does_not_stand_beside_who_has_not(tmp_path: Path) -> None:
    file = RESULTS / 'default_bundle.json'
    content = json.loads(file.read_text())
    text = _make(tmp_path / 'papers.md', '--results', file)
    assert '\nNothing for these tables in: default_bundle.json.\n' in text
    assert _cells(text, '4: methods on Road Anomaly', 'Energy')[-1] == '—'
    trained = f'{content["bundle"]}=pebal'
    text = _make(tmp_path / 'papers.md', '--results', file, '--trained', trained)
    assert _cells(text, '4: methods on Road Anomaly', 'PEBAL')[-1] != '—'


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({}, 'style_aligned_ovr'),
        ({'loss_options': {'k': 7}}, 'style_aligned_ovr_k7'),
        ({'loss_options': {}, 'aligner': 'none'}, 'ovr'),
        ({'loss_options': {'k': 3}, 'aligner': 'none'}, OTHER),
        ({'loss_options': {'k': 4}}, OTHER),
        ({'loss': 'ovr'}, 'style_aligned_ovr_all'),
        ({'loss': 'pebal'}, 'pebal'),
        ({'loss': 'maxent', 'mixer': 'maxent'}, 'max_entropy'),
        ({'loss': 'maxent', 'mixer': 'coco_dag'}, 'coco_dag'),
        ({'loss': 'maxent'}, OTHER),
        ({'loss': 'kl', 'mixer': 'none', 'shares': {'mgu': 0.5}}, 'mgu_aaft_kl'),
        ({'loss': 'entropy_ratio', 'mixer': 'none', 'shares': {'mgu': 0.5}}, 'mgu_aaft_er'),
        ({'loss': 'entropy_ratio', 'shares': {'mgu': 0.5}}, OTHER),
        ({'loss': 'energy'}, OTHER),
    ],
)
def test_a_recipe_tells_its_method(changes: dict[str, Any], expected: str) -> None:
    recipe = {
        'loss': 'topk_ovr', 'loss_options': {'k': 5}, 'mixer': 'anomaly_mix', 'aligner': 'lab',
        'shares': {'cityscapes': 1.0},
    }  # fmt: skip
    assert method_of({'kind': 'finetune', 'recipe': recipe | changes}) == expected
    assert expected in {OTHER, *methods(paper_tables())}


def test_other_trainings_know_nothing_of_anomalies() -> None:
    assert method_of({}) == PLAIN
    assert method_of({'kind': 'segmenter', 'recipe': {}}) == PLAIN
    assert set(SYNBOOST.values()) <= set(methods(paper_tables()))


def test_figures_in_a_table_of_fractions_are_fractions(tmp_path: Path) -> None:
    content = json.loads((RESULTS / 'refinements.json').read_text())
    row: dict[str, Any] = next(r for r in content['results'] if r['refinement'] == 'none')
    row |= {'set': 'LostAndFound-test', 'score': 'entropy', 'auroc': 0.25, 'ap': 0.5, 'fpr95': 1}
    file = tmp_path / 'table.json'
    file.write_text(json.dumps(content | {'results': [row]}))
    text = _make(tmp_path / 'p.md', '--results', file, '--trained', 'erfnet=coco_dag')
    cell = _cells(text, '2: with and without COCO-DAG', 'Entropy with DAG')[-1]
    assert cell == '0.2500 / 1.0000 / 0.5000 (a)'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'cannot read the results'),
        ('{"results": [{}], "network": {}, "statistics_from": []}', "KeyError('segmenter')"),
        (
            BUNDLE,
            'auroc of RoadAnomaly is 50, expected a number from 0 to 1',
        ),
    ],
)
def test_broken_results_are_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    file, out = tmp_path / 'results.json', tmp_path / 'papers.md'
    file.write_text(content)
    assert main(['tables', 'papers', '--results', str(file), '--out', str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ('trained', 'message'),
    [
        ('erfnet', 'expected NETWORK=METHOD'),
        ('erfnet=magic', "the method 'magic', expected one of: known_unknown, "),
        ('resnet=pebal', "the network 'resnet', expected one of: erfnet"),
    ],
)
def test_unknown_names_are_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trained: str, message: str
) -> None:
    command = ['tables', 'papers', '--out', str(tmp_path / 'p.md'), '--trained', trained]
    assert main([*command, '--results', str(RESULTS / 'refinements.json')]) == 2
    assert message in capsys.readouterr().err


def test_other_files_are_named_and_order_does_not_matter(tmp_path: Path) -> None:
    other = tmp_path / 'other.json'
    other.write_text('[]')
    files = [RESULTS / 'refinements.json', other, RESULTS / 'erfnet_octaves.json']
    text = _make(tmp_path / 'a.md', '--results', *files)
    assert '\nNothing for these tables in: other.json.\n' in text
    assert _make(tmp_path / 'b.md', '--results', *reversed(files)) == text
