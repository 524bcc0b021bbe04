# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report in a real browser, from disk: slider, tables, keyboard, no error, no network."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support import benchmark_layouts as layouts
from support.weights_bundle import build_weights_bundle

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines.torch import TorchEngine
from anomaly_seg_training.benchmark import open_benchmark
from anomaly_seg_training.main import main

sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
SIZE = (96, 64)
IMAGES = 5
HOSTILE = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">'
PAINT = {
    'found': (0, 120, 255, 165),
    'false': (255, 140, 0, 175),
    'missed': (255, 235, 60, 215),
    'ignored': (140, 140, 140, 140),
    'nothing': (0, 0, 0, 0),
}


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    with sync_api.sync_playwright() as playwright:
        system = next((found for name in NAMES if (found := shutil.which(name))), None)
        own = playwright.chromium.executable_path
        if system is None and not Path(own).is_file():
            pytest.skip(f'no browser: none of {", ".join(NAMES)} is installed (apt has chromium)')
        # Root has no sandbox; the only page is our own.
        chromium = playwright.chromium.launch(
            executable_path=system or own, args=['--no-sandbox', '--disable-dev-shm-usage']
        )
        yield chromium
        chromium.close()


def _scene(folder: Path) -> None:
    random = np.random.default_rng(1)
    width, height = SIZE
    for index in range(IMAGES):
        image = cv2.GaussianBlur(
            random.integers(0, 256, (height, width, 3)).astype(np.float32), None, 4
        )
        image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        mask = np.zeros((height, width), np.uint8)
        cv2.circle(mask, (20 + 12 * index, 30), 9, 1, -1)
        mask[-8:] = 255
        if index == IMAGES - 1:
            mask[mask == 1] = 0  # no anomaly: no rank, no figures
        image[mask == 1] = 255 - image[mask == 1]
        layouts.save(folder / 'images' / f'frame{index}.png', image)
        layouts.save(folder / 'masks' / f'frame{index}.png', mask)


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report of a real evaluation, and score maps and targets computed apart from it."""
    place = tmp_path_factory.mktemp('report')
    _scene(place / 'scene')
    bundle = build_weights_bundle(place / 'bundle')
    file, html = place / 'results.json', place / 'report.html'
    command = [
        'evaluate', '--dataset', 'folder', '--root', place / 'scene', '--bundle', bundle,
        '--scores', 'energy,max_logit', '--curves', 60, '--per-image', '--threads', 1,
        '--json', file,
    ]  # fmt: skip
    assert main([str(word) for word in command]) == 0
    content = json.loads(file.read_text())
    content['results'][1]['refinement'] = HOSTILE
    content['command'] = HOSTILE
    file.write_text(json.dumps(content))
    command = [
        'report', file, '--root', place / 'scene', '--bundle', bundle, '--threads', 1,
        '--output', 'energy', '--gallery', 2, '--out', html,
    ]  # fmt: skip
    assert main([str(word) for word in command]) == 0
    engine = TorchEngine(Bundle.open(bundle), threads=1)
    (found,) = open_benchmark('folder', place / 'scene')
    maps = {}
    for item in found:
        image, target = item.read()
        maps[item.image_path.stem] = engine.run(image[None], ('energy',))['energy'][0], target
    text = html.read_text('utf-8')
    data = text.split('<script type="application/json" id="data">')[1].split('</script>')[0]
    return {'html': html, 'data': json.loads(data), 'maps': maps, 'results': content['results']}


@pytest.fixture
def page(browser: Any, made: dict[str, Any]) -> Iterator[Any]:
    """The report, opened from disk; a complaint of the browser fails the test."""
    complaints: list[str] = []
    context = browser.new_context(
        viewport={'width': 1280, 'height': 900}, offline=True, reduced_motion='reduce'
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on('console', lambda message: complaints.append(message.text))
    page.on('pageerror', lambda error: complaints.append(str(error)))
    page.on('request', lambda request: complaints.append(request.url)
            if not request.url.startswith(('file:', 'data:')) else None)  # fmt: skip
    page.goto(made['html'].as_uri())
    page.wait_for_selector('html[data-ready]')
    yield page
    assert page.evaluate('window.hacked') is None
    assert complaints == []
    context.close()


def _pixels(canvas: Any) -> np.ndarray:
    # As PNG: Chromium complains of more than one getImageData.
    data = base64.b64decode(canvas.evaluate('canvas => canvas.toDataURL()').split(',')[1])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)


def _expected(flagged: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the colours of a mask beside its ground truth."""
    y, x = np.indices(target.shape)
    picture = np.zeros((*target.shape, 4), np.uint8)
    picture[flagged & (target == 1)] = PAINT['found']
    picture[flagged & (target == 0)] = PAINT['false']
    picture[flagged & (target == 255)] = PAINT['ignored']
    picture[~flagged & (target == 1) & ((x + y) % 8 < 4)] = PAINT['missed']
    return picture


def _figure(page: Any, made: dict[str, Any], place: int) -> tuple[Any, str]:
    figure = page.locator('.tile').nth(place)
    figure.scroll_into_view_if_needed()
    page.wait_for_function(
        'i => document.querySelectorAll(".tile canvas")[i].dataset.ready', arg=place
    )
    return figure, made['data']['galleries'][0]['tiles'][place]['image']


def _moved(page: Any, stop: int) -> None:
    page.wait_for_function(
        "s => [...document.querySelectorAll('.tile canvas')]"
        '.every((canvas) => canvas.dataset.stop === String(s))',
        arg=stop,
    )


def test_the_slider_moves_the_mask_by_keyboard(page: Any, made: dict[str, Any]) -> None:
    page.uncheck('#show-outline')
    slider = page.locator('input[type=range]')
    assert page.locator(f'label[for={slider.get_attribute("id")}]').inner_text() == 'Threshold'
    stops = made['data']['galleries'][0]['stops']
    last = len(stops) - 1
    assert last > 20
    figures = [_figure(page, made, place) for place in range(4)]
    slider.focus()
    seen = []
    start = int(slider.input_value())
    assert 0 < start < last
    for keys, stop in (
        (['Home'], 0), (['ArrowRight'], 1), (['ArrowRight'] * 6, 7), (['ArrowLeft'] * 2, 5),
        (['End'], last), (['ArrowLeft'] * 8, last - 8),
    ):  # fmt: skip
        for key in keys:
            page.keyboard.press(key)
        assert int(slider.input_value()) == stop
        _moved(page, stop)
        threshold = np.float32(stops[stop]['threshold'])
        assert slider.get_attribute('aria-valuetext').startswith('score > ')
        for figure, name in figures:
            score, target = made['maps'][name]
            flagged = score > threshold
            painted = _pixels(figure.locator('canvas'))
            # A canvas keeps colours multiplied by their opacity, in bytes.
            error = painted.astype(int) - _expected(flagged, target)
            assert np.abs(error).max() <= 2
            seen.append(painted.tobytes())
            live = figure.locator('canvas').evaluate('canvas => ({...canvas.dataset})')
            assert int(live['hits']) == np.count_nonzero(flagged & (target == 1))
            assert int(live['alarms']) == np.count_nonzero(flagged & (target == 0))
            tpr = 100 * flagged[target == 1].mean()
            if tpr == 0 or tpr >= 1:
                assert f'TPR {tpr:.1f} %' in figure.locator('.live').inner_text()
    assert len(set(seen)) >= 12


def test_the_slider_moves_by_mouse_and_by_buttons(page: Any, made: dict[str, Any]) -> None:
    figure, _ = _figure(page, made, 0)
    slider = page.locator('input[type=range]')
    before = _pixels(figure.locator('canvas'))
    box = slider.bounding_box()
    page.mouse.click(box['x'] + box['width'] * 0.08, box['y'] + box['height'] / 2)
    low = int(slider.input_value())
    _moved(page, low)
    assert not np.array_equal(_pixels(figure.locator('canvas')), before)
    for mark in made['data']['galleries'][0]['marks']:
        page.get_by_role('button', name=mark['name'], exact=True).click()
        _moved(page, mark['stop'])
    row = made['results'][0]
    best = next(
        m for m in made['data']['galleries'][0]['marks'] if m['name'].startswith('best F1')
    )
    threshold = np.float32(made['data']['galleries'][0]['stops'][best['stop']]['threshold'])
    hits = alarms = anomalous = 0
    for score, target in made['maps'].values():
        hits += np.count_nonzero((score > threshold) & (target == 1))
        alarms += np.count_nonzero((score > threshold) & (target == 0))
        anomalous += np.count_nonzero(target == 1)
    assert 2 * hits / (hits + alarms + anomalous) == pytest.approx(row['best_f1'], abs=1e-12)


def test_other_views(page: Any, made: dict[str, Any]) -> None:
    figure, name = _figure(page, made, 0)
    canvas = figure.locator('canvas')
    stop = int(page.locator('input[type=range]').input_value())
    score, _ = made['maps'][name]
    flagged = score > np.float32(made['data']['galleries'][0]['stops'][stop]['threshold'])
    edges = _pixels(canvas)
    page.uncheck('#show-outline')
    assert not np.array_equal(_pixels_when_changed(page, canvas, edges), edges)
    page.check('#show-mask')
    alone = _pixels_when_changed(page, canvas, _pixels(canvas))
    assert np.array_equal(alone[..., 3] > 0, flagged)
    page.check('#show-photo')
    assert not _pixels_when_changed(page, canvas, alone).any()
    page.check('#show-heat')
    assert _pixels_when_changed(page, canvas, np.zeros_like(alone))[score >= score.max(), 3].all()


def _pixels_when_changed(page: Any, canvas: Any, before: np.ndarray) -> np.ndarray:
    for _ in range(50):
        found = _pixels(canvas)
        if not np.array_equal(found, before):
            return found
        page.wait_for_timeout(20)
    return found


def test_tables_sort_by_click_and_by_key(page: Any, made: dict[str, Any]) -> None:
    table = page.locator('#images table')
    head = table.locator('thead th', has_text='AP %').first

    def column() -> list[str]:
        place = head.evaluate('cell => cell.cellIndex')
        return table.locator('tbody tr').evaluate_all(
            '(rows, i) => rows.map((row) => row.cells[i].textContent)', place
        )

    row = next(r for r in made['results'] if r['output'] == _chosen(page, made))
    values = sorted(image['ap'] for image in row['per_image'] if image['ap'] is not None)
    rising = [f'{100 * value:.2f}' for value in values] + ['–']
    # It comes sorted, worst first; what has no value is last either way.
    assert head.get_attribute('aria-sort') == 'ascending'
    assert column() == rising
    head.locator('button').click()
    assert head.get_attribute('aria-sort') == 'descending'
    assert column() == [*rising[-2::-1], '–']
    head.locator('button').focus()
    page.keyboard.press('Enter')
    assert head.get_attribute('aria-sort') == 'ascending'
    assert column() == rising
    page.keyboard.press('Shift+Tab')
    page.keyboard.press('Space')
    assert head.get_attribute('aria-sort') is None
    assert table.locator('[aria-sort]').count() == 1


def _chosen(page: Any, made: dict[str, Any]) -> str:
    return made['data']['rows'][int(page.locator('#image-row').input_value())]['output']


def test_another_result_can_be_chosen(page: Any, made: dict[str, Any]) -> None:
    select = page.locator('#image-row')
    first = page.locator('#images tbody').inner_text()
    select.focus()
    page.keyboard.press('ArrowDown')
    assert page.locator('#images tbody').inner_text() != first
    # A name that is markup stays text.
    assert HOSTILE in page.locator('#results').inner_text()
    assert page.locator('#results img').count() == 0


def test_images_lead_to_their_pictures(page: Any, made: dict[str, Any]) -> None:
    link = page.locator('#images tbody a').first
    name = link.inner_text()
    link.focus()
    page.keyboard.press('Enter')
    target = page.locator('.tile:target')
    assert name in target.locator('h4').inner_text()
    box = target.bounding_box()
    assert 0 <= box['y'] < 900


def test_curves_can_be_read_by_key_and_by_pointer(page: Any, made: dict[str, Any]) -> None:
    chart = page.locator('.plot', has_text='ROC').first
    chart.locator('svg').focus()
    page.keyboard.press('End')
    assert 'FPR 100.0 %, TPR 100.0 %' in chart.locator('.readout').inner_text()
    page.keyboard.press('ArrowLeft')
    assert 'score ≥' in chart.locator('.readout').inner_text()
    name = chart.locator('.readout').inner_text().split(':')[0]
    page.keyboard.press('ArrowDown')
    assert chart.locator('.readout').inner_text().split(':')[0] != name
    before = chart.locator('polyline').first.get_attribute('points')
    chart.locator('input[type=checkbox]').focus()
    page.keyboard.press('Space')
    assert chart.locator('polyline').first.get_attribute('points') != before
    box = chart.locator('svg').bounding_box()
    page.mouse.move(box['x'] + box['width'] / 2, box['y'] + box['height'] / 2)
    assert 'TPR' in chart.locator('.readout').inner_text()
    curves = chart.locator('polyline').count()
    page.locator('.legend input').first.uncheck()
    assert chart.locator('polyline').count() == curves - 1


def test_everything_is_reached_by_tab(page: Any) -> None:
    page.keyboard.press('Tab')
    assert page.evaluate('document.activeElement.textContent') == 'Skip to the results'
    page.keyboard.press('Enter')
    assert page.evaluate('document.activeElement.id') == 'main'
    reached = set()
    for _ in range(120):
        page.keyboard.press('Tab')
        reached.add(page.evaluate(
            '(document.activeElement.type || document.activeElement.tagName).toLowerCase()'
        ))  # fmt: skip
    assert {'button', 'range', 'select-one', 'checkbox', 'radio', 'svg'} <= reached
    slider = page.locator('input[type=range]')
    slider.focus()
    page.keyboard.press('ArrowLeft')
    assert slider.evaluate('e => getComputedStyle(e).outlineStyle') == 'solid'


@pytest.mark.parametrize(('width', 'scheme'), [(400, 'light'), (1280, 'dark')])
def test_narrow_and_dark(browser: Any, made: dict[str, Any], width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={'width': width, 'height': 800}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    page.goto(made['html'].as_uri())
    page.wait_for_selector('html[data-ready]')
    # Tables scroll by themselves, the page never sideways.
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    background, ink = (
        np.mean([int(part) for part in page.evaluate(
            f'getComputedStyle(document.body).{key}.match(/\\d+/g).slice(0, 3)'
        )])
        for key in ('backgroundColor', 'color')
    )  # fmt: skip
    assert (background < ink) == (scheme == 'dark')
    context.close()


def test_it_prints(page: Any) -> None:
    page.emulate_media(media='print')
    assert not page.locator('input[type=range]').is_visible()
    assert page.locator('#results table').is_visible()
    assert page.pdf().startswith(b'%PDF')
