# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab report``: what is written, and what is refused."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support import benchmark_layouts as layouts
from support.painted import Painted
from support.weights_bundle import build_weights_bundle

from anomaly_seg_ros.bags.recording import record
from anomaly_seg_training.main import main
from anomaly_seg_training.report.levels import MOST
from anomaly_seg_training.report.planes import decode_plane

HOSTILE = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">'


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights."""
    return build_weights_bundle(tmp_path_factory.mktemp('bundles') / 'random')


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tiny sets."""
    folder = tmp_path_factory.mktemp('sets')
    layouts.road_anomaly_val(folder)
    return folder


@pytest.fixture(scope='module')
def results(bundle: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a real evaluation has written."""
    file = tmp_path_factory.mktemp('results') / 'tiny.json'
    command = [
        'evaluate', '--dataset', 'road_anomaly_val', '--root', root, '--bundle', bundle,
        '--scores', 'max_logit,energy', '--curves', 40, '--per-image', '--threads', 1,
        '--protocol', 'smiyc-obstacle', '--size', '64x32', '--json', file,
    ]  # fmt: skip
    assert main([str(word) for word in command]) == 0
    return file


@pytest.fixture
def report(tmp_path: Path, results: Path) -> Callable[..., str]:
    """Make a page of these results and return it."""

    def run(*arguments: object, file: Path = results) -> str:
        out = tmp_path / 'out' / 'report.html'
        assert main(['report', '--out', str(out), str(file), *map(str, arguments)]) == 0
        return out.read_text('utf-8')

    return run


class Page(HTMLParser):
    """Elements of a page with their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), ''))

    def handle_endtag(self, tag: str) -> None:
        self.elements.append(('', {}, ''))

    def handle_data(self, data: str) -> None:
        if self.elements:
            tag, attributes, text = self.elements[-1]
            self.elements[-1] = (tag, attributes, text + data)

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(found[1], found[2]) for found in self.elements if found[0] == tag]

    @property
    def data(self) -> dict[str, Any]:
        (text,) = [text for attributes, text in self.of('script') if attributes.get('id')]
        return json.loads(text)


def test_the_page_needs_nothing_else(report: Callable[..., str], bundle: Path, root: Path) -> None:
    text = report('--root', root, '--bundle', bundle, '--threads', 1)
    page = Page(text)
    # The name of SVG's elements is no address that is loaded.
    assert set(re.findall(r'https?://[\w./-]+', text)) == {'http://www.w3.org/2000/svg'}
    assert '@import' not in text
    assert 'url(' not in text
    assert not re.search(r'\bfetch\(|XMLHttpRequest|\bimport\b\s*\(|innerHTML|eval\(', text)
    for tag, attributes, _ in page.elements:
        assert tag not in {'link', 'iframe', 'object', 'embed', 'base'}
        assert 'src' not in attributes
        assert (attributes.get('href') or '#').startswith('#')
    (policy,) = [
        attributes['content'] for attributes, _ in page.of('meta')
        if attributes.get('http-equiv') == 'Content-Security-Policy'
    ]  # fmt: skip
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert 'unsafe' not in policy
    ((_, style),) = page.of('style')
    (script,) = [text for attributes, text in page.of('script') if not attributes]
    for part in (style, script):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_it_holds_what_was_measured(
    report: Callable[..., str], results: Path, bundle: Path, root: Path
) -> None:
    content = json.loads(results.read_text())
    data = Page(report('--root', root, '--bundle', bundle, '--threads', 1)).data
    for row, stored in zip(data['rows'], content['results'], strict=True):
        for key in ('auroc', 'ap', 'fpr95', 'set', 'set_version', 'model_hash'):
            assert row[key] == stored[key]
        for image, found in zip(row['per_image'], stored['per_image'], strict=True):
            assert {key: found[key] for key in image} == image
            assert {'image', 'auroc', 'ap', 'fpr95'} <= set(image)
        assert row['components']['f1_star'] == stored['components']['f1_star']
        for curve in ('roc', 'pr'):
            for key in ('x', 'y'):
                assert row['curves'][curve][key] == pytest.approx(
                    stored['curves'][curve][key], rel=1e-5
                )
    (file,) = data['files']
    assert (file['name'], file['command']) == ('tiny', content['command'])
    assert file['provenance']['date'] == content['provenance']['date']
    assert file['sets'][0]['doubts']
    # One gallery for each set, of the score with the best AP, no image twice.
    assert [data['rows'][found['row']]['set'] for found in data['galleries']] == [
        'FS_LostFound_full', 'RoadAnomaly', 'fs_static'
    ]  # fmt: skip
    for found in data['galleries']:
        row = data['rows'][found['row']]
        same = [other for other in data['rows'] if other['set'] == row['set']]
        assert row['ap'] == max(other['ap'] for other in same)
        names = [tile['image'] for tile in found['tiles']]
        assert len(names) == len(set(names)) > 0
        assert found['notes'] == []
        assert len(found['stops']) <= MOST


def test_papers_stand_beside_sets_that_they_measure(report: Callable[..., str]) -> None:
    data = Page(report()).data
    rows = data['papers']['RoadAnomaly']
    found = [row['ap'] for row in rows if row['method'] == 'Ours (Energy)']
    assert found[0] == pytest.approx(0.4639)
    assert all(row['note'] for row in data['papers']['FS_LostFound_full'])


def test_several_files(report: Callable[..., str], results: Path, tmp_path: Path) -> None:
    other = tmp_path / 'other.json'
    content = json.loads(results.read_text())
    content['results'] = content['results'][:1]
    other.write_text(json.dumps(content))
    data = Page(report(other)).data
    assert [file['name'] for file in data['files']] == ['tiny', 'other']
    assert [row['file'] for row in data['rows']] == [0] * 6 + [1]
    twice = Page(report(results)).data
    assert [file['name'] for file in twice['files']] == ['tiny (1)', 'tiny (2)']


def test_text_of_files_ends_no_element(
    report: Callable[..., str], results: Path, tmp_path: Path
) -> None:
    content = json.loads(results.read_text())
    for row in content['results']:
        row['bundle'] = row['set'] = HOSTILE
    content['command'] = '{{style}} {{data}} <!-- <script>'
    file = tmp_path / 'hostile.json'
    file.write_text(json.dumps(content))
    text = report('--title', HOSTILE, file=file)
    page = Page(text)
    assert len(page.of('script')) == text.count('<script') == 2
    assert text.count('</script') == 2
    assert page.of('img') == []
    assert page.data['rows'][0]['bundle'] == HOSTILE
    assert page.data['files'][0]['command'] == content['command']
    ((_, title),) = page.of('title')
    assert title == HOSTILE


def _without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.pop(key)


def _row(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content['results'][0].update({key: value})


SPOILED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    'no results': (_without('results'), "it has no 'results'"),
    'no sets': (_without('sets'), "it has no 'sets'"),
    'a text for a figure': (_row('ap', '0.5'), "results[0].ap is '0.5', expected a number"),
    'a figure in percent': (_row('ap', 46.4), 'results[0].ap is 46.4, expected a fraction'),
    'markup for a list': (_row('per_image', '<b>'), "per_image is '<b>', expected a list"),
    'a number as name': (_row('set', 7), 'results[0].set is 7, expected a text'),
    'a curve with too few thresholds': (
        lambda content: content['results'][0]['curves']['roc']['thresholds'].pop(),
        'expected lists of one length',
    ),
    'a curve that turns back': (
        lambda content: content['results'][0]['curves']['pr']['x'].reverse(),
        'expected ascending numbers',
    ),
    'a huge number': (_row('best_f1_threshold', 10**400), 'expected a finite number'),
    'nothing': (lambda content: content.update(results=[], segmentation=[]), 'hold no figures'),
}


@pytest.mark.parametrize('what', SPOILED)
def test_other_content_is_refused(
    what: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, words = SPOILED[what]
    content = copy.deepcopy(json.loads(results.read_text()))
    spoil(content)
    file, out = tmp_path / 'f.json', tmp_path / 'out' / 'r.html'
    file.write_text(json.dumps(content))
    assert main(['report', str(file), '--out', str(out)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count('\n') == 1
    assert not out.parent.exists()


def test_a_bag_has_pictures(bundle: Path, tmp_path: Path) -> None:
    bag, file, out = (tmp_path / name for name in ('bag', 'f.json', 'r.html'))
    record(Painted(4), bag)
    command = ['--bag', bag, '--bundle', bundle, '--threads', 1]
    scores = ['--scores', 'energy', '--per-image', '--curves', 20, '--json', file]
    assert main([str(word) for word in ('evaluate', *command, *scores)]) == 0
    assert main([str(word) for word in ('report', file, '--out', out, *command)]) == 0
    (found,) = Page(out.read_text('utf-8')).data['galleries']
    (row,) = json.loads(file.read_text())['results']
    ranked = {image['image'] for image in row['per_image'] if image['ap'] is not None}
    assert len(ranked) > 2
    assert {tile['image'] for tile in found['tiles']} == ranked
    assert found['notes'] == []


def test_results_are_not_overwritten(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = results.read_bytes()
    assert main(['report', str(results), '--out', str(results)]) == 2
    assert 'which is one of the results' in capsys.readouterr().err
    assert results.read_bytes() == before
    (tmp_path / 'file').write_text('')
    assert main(['report', str(results), '--out', str(tmp_path / 'file' / 'r.html')]) == 2
    assert 'cannot write' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (None, 'cannot read'),
        (b'', 'is not JSON'),
        (b'{"results": [', 'is not JSON'),
        (b'\xff\xfe\x00', 'is not JSON'),
        (b'[' * 100_000, 'is not JSON'),
        (b'{"results": [NaN]}', 'it holds NaN'),
        (b'[]', 'it is [], expected an object'),
        (b'{"bundle": "litenet"}', "it has no 'results'"),
    ],
)
def test_other_files_are_refused(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / 'f.json', tmp_path / 'r.html'
    out.write_text('what was there')
    if content is not None:
        file.write_bytes(content)
    assert main(['report', str(file), '--out', str(out)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert str(file) in error
    assert error.count('\n') == 1
    assert out.read_text() == 'what was there'
    assert len(list(tmp_path.iterdir())) == (1 if content is None else 2)


def test_pictures_need_what_was_measured(
    results: Path,
    bundle: Path,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / 'r.html'
    other = build_weights_bundle(tmp_path / 'other', seed=1)
    grown = tmp_path / 'grown'
    layouts.road_anomaly_val(grown)
    for name in ('FS_LostFound_full', 'RoadAnomaly', 'fs_static'):
        layouts.save(grown / name / 'images' / '9.webp', layouts.picture(9))
        layouts.save(grown / name / 'labels_masks' / '9.png', layouts.labels((0, 1)))
    content = json.loads(results.read_text())
    for row in content['results']:
        row['per_image'] = None
    bare = tmp_path / 'bare.json'
    bare.write_text(json.dumps(content))
    content = json.loads(results.read_text())
    for row in content['results']:
        row['size'] = '99999x99999'
    huge = tmp_path / 'huge.json'
    huge.write_text(json.dumps(content))
    given = ['--root', root, '--bundle', bundle]
    for arguments, words in (
        ([results, '--root', root], 'expected both for pictures, or none'),
        ([results, '--bundle', bundle], 'expected both for pictures, or none'),
        ([results, '--root', root, '--bundle', other], 'no --bundle or --checkpoint is the model'),
        ([results, '--root', grown, '--bundle', bundle], 'its files are not those measured'),
        ([results, '--root', tmp_path / 'no', '--bundle', bundle], 'no is no folder'),
        ([bare, *given], 'run evaluate with --per-image'),
        ([results, *given, '--output', 'entropy'], 'no result by the output entropy'),
        ([results, *given, '--gallery', 0], 'received --gallery 0'),
        ([results, *given, '--width', 9], 'received --width 9'),
        ([huge, *given], 'images have 99999x99999 pixels'),
    ):
        command = ['report', *arguments, '--out', out, '--threads', 1]
        assert main([str(word) for word in command]) == 2
        assert words in capsys.readouterr().err
        assert not out.exists()


def test_a_checkpoint_and_another_size(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The network runs again as it ran, whatever the size; larger pictures lose pixels."""
    file, out = tmp_path / 'f.json', tmp_path / 'r.html'
    model = ['--checkpoint', bundle / 'weights.safetensors', '--threads', 1]
    command = [
        'evaluate', '--dataset', 'road_anomaly_val', '--root', root, '--sets', 'fs_static',
        '--scores', 'energy', '--network-size', '48x32', '--engine', 'torch', '--per-image',
        '--size', '200x100', '--flip', '--protocol', 'caos', '--json', file, *model,
    ]  # fmt: skip
    assert main([str(word) for word in command]) == 0
    command = ['report', file, '--root', root, '--out', out, '--width', 80, '--gallery', 1, *model]
    assert main([str(word) for word in command]) == 0
    data = Page(out.read_text('utf-8')).data
    (found,) = data['galleries']
    assert found['notes'] == []
    assert [(tile['kind'], tile['place']) for tile in found['tiles']] == [
        ('worst', 1),
        ('best', 1),
    ]
    for tile in found['tiles']:
        assert (tile['width'], tile['height'], tile['full']) == (80, 40, '200x100')
        assert decode_plane(tile['truth'], (40, 80)).max() <= 2
    # Means over images have no threshold, and without a curve nothing is known of the whole set.
    assert found['marks'] == []
    assert {stop['tpr'] for stop in found['stops']} == {None}
