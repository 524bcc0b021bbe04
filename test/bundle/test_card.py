# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cards: there and back, and every way to be wrong."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.bundle import (
    BundleError,
    Card,
    GraphFile,
    Preprocessing,
    SegmenterSpec,
    Threshold,
    WeightsFile,
)
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.refinement import Shrinkage
from anomaly_seg_ros.size import Size


def full_card() -> Card:
    return Card(
        name='name',
        description='words',
        segmenter=SegmenterSpec('streetnet', {'neck': 64}),
        classes=CITYSCAPES,
        preprocessing=Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
        input_size=Size(1024, 512),
        scores=('energy', 'max_logit'),
        score='max_logit',
        graph=GraphFile('detector.onnx', 18),
        weights=WeightsFile('weights.safetensors'),
        statistics={
            'energy': {'count': [3] * 19, 'mean': [-1.5] * 19, 'std': [0.5] * 19},
        },
        threshold=Threshold(-3.5, 'FPR 1 %'),
        score_range=(-20.0, -2.0),
        licence={'weights': 'research'},
        training={'data': ['a', 'b']},
        measured={'miou': 0.6},
        hashes={'detector.onnx': '0' * 64, 'weights.safetensors': 'f' * 64},
        refinements=('none', 'sml', 'sml+suppress'),
        refinement='sml',
        calibration={
            'energy': {'threshold': -2.0, 'method': 'quantile', 'score_range': [-9.0, 0.5]},
            'max_logit+sml': {
                'threshold': 2.5,
                'method': 'quantile',
                'score_range': [-3.0, 4.0],
                'level': 'pixel',
                'frames': 100,
            },
        },
        shrinkage=Shrinkage(0.5, 0.75),
    )


def small_card() -> Card:
    return Card('n', '', SegmenterSpec('erfnet'), CITYSCAPES, Preprocessing(), Size(2, 1),
                ('energy',), 'energy')  # fmt: skip


LATER_KEYS = ('refinements', 'refinement', 'calibration')
OPTIONAL_KEYS = ('shrinkage',)


@pytest.mark.parametrize('card', [full_card(), small_card()], ids=['full', 'small'])
def test_there_and_back(card: Card) -> None:
    text = json.dumps(card.to_json())
    assert Card.from_text(text, 'card.json') == card


def test_every_key_is_needed() -> None:
    for key in sorted(set(full_card().to_json()) - {*LATER_KEYS, *OPTIONAL_KEYS}):
        content = full_card().to_json()
        del content[key]
        with pytest.raises(BundleError, match=f"card.json has no key '{key}'"):
            Card.from_json(content, 'card.json')


def test_statistics_that_are_not_drawn_together_need_no_key() -> None:
    assert 'shrinkage' not in small_card().to_json()
    assert not Card.from_json(small_card().to_json()).shrinkage


def test_cards_from_before_refinements_are_read() -> None:
    content = small_card().to_json()
    for key in LATER_KEYS:
        del content[key]
    card = Card.from_json(content)
    assert card == small_card()
    assert (card.refinements, card.refinement, card.calibration) == (('none',), 'none', {})
    assert card.output == 'energy'
    assert card.outputs == ('energy',)


def test_outputs_are_named_after_score_and_refinement() -> None:
    card = full_card()
    assert card.output == 'max_logit+sml'
    assert card.outputs == (
        'energy', 'energy+sml', 'energy+sml+suppress',
        'max_logit', 'max_logit+sml', 'max_logit+sml+suppress',
    )  # fmt: skip


@pytest.mark.parametrize('place', [(), ('segmenter',), ('classes',), ('preprocessing',),
                                   ('graph',), ('weights',), ('threshold',)])  # fmt: skip
def test_unknown_keys_are_refused(place: tuple[str, ...]) -> None:
    content = full_card().to_json()
    inner: Any = content
    for key in place:
        inner = inner[key]
    inner['surprise'] = 1
    with pytest.raises(BundleError, match="unknown key 'surprise', expected only: "):
        Card.from_json(content, 'card.json')


STATISTICS: dict[str, Any] = {'count': [1] * 19, 'mean': [0.0] * 19, 'std': [1.0] * 19}
CALIBRATION = {'threshold': 1.0, 'method': 'quantile', 'score_range': [0, 1]}
WRONG: list[tuple[str, Any, str]] = [
    ('shrinkage', {'mean': 0.5}, "no key 'std'"),
    ('shrinkage', {'mean': 0.5, 'std': 2}, 'received the shrinkage 2.0 of the std'),
    ('format_version', 2, 'has format version 2, expected 1: export the bundle again'),
    ('format_version', True, "'format_version' = True, expected a whole number"),
    ('name', 3, "'name' = 3, expected a text"),
    ('segmenter', [], "key 'segmenter', is a list, expected an object"),
    ('segmenter', {'name': 'x', 'options': 3}, "'options' = 3, expected an object"),
    ('classes', {'names': ['a'], 'palette': [], 'drivable': []}, 'need as many colours'),
    ('classes', {'names': ['a'], 'palette': [[0, 0, 256]], 'drivable': []}, 'from 0 to 255'),
    ('classes', {'names': ['a'], 'palette': [[0, 0]], 'drivable': []}, 'three values per colour'),
    ('classes', {'names': ['a', 1], 'palette': [], 'drivable': []}, 'expected a list of texts'),
    ('classes', {'names': ['a'], 'palette': [[0, 0, 0]], 'drivable': [1]}, r'lie in 0\.\.0'),
    ('preprocessing', {'mean': [0, 0], 'std': [1, 1, 1]}, 'expected 3 numbers'),
    ('preprocessing', {'mean': [0, 0, 0], 'std': [1, 0, 1]}, 'positive standard deviations'),
    ('preprocessing', {'mean': [0, 0, float('nan')], 'std': [1, 1, 1]}, 'a finite number'),
    ('preprocessing', {'mean': [0, 0, '1'], 'std': [1, 1, 1]}, "'1'"),
    ('input_size', '1024', 'expected WIDTHxHEIGHT'),
    ('input_size', '9000x512', 'expected sides <= 8192'),
    ('scores', [], 'expected different names'),
    ('scores', ['energy', 'energy'], 'expected different names'),
    ('scores', 'energy', 'expected a list'),
    ('score', 'entropy', "uses the score 'entropy', expected one of"),
    ('graph', {'file': '../x.onnx', 'opset': 18}, "'../x.onnx', expected a plain file name"),
    ('graph', {'file': '/etc/passwd', 'opset': 18}, 'expected a plain file name'),
    ('graph', {'file': 'a/b.onnx', 'opset': 18}, 'expected a plain file name'),
    ('graph', {'file': '.hidden', 'opset': 18}, 'expected a plain file name'),
    ('graph', {'file': 'x.onnx', 'opset': 0}, 'from 1 to 1000'),
    ('weights', {'file': 'x' * 200}, 'expected a plain file name'),
    ('threshold', {'value': 'high', 'method': ''}, 'expected a number'),
    ('threshold', {'value': float('inf'), 'method': ''}, 'a finite number'),
    ('score_range', [1, 1], 'expected low < high'),
    ('score_range', [1], 'expected 2 numbers'),
    ('refinements', ['none', 'blur'], "received the refinement 'blur', expected 'none' or some"),
    ('refinements', ['none', 'none', 'sml'], 'expected different ones'),
    ('refinements', ['sml'], "and 'none' among them"),
    ('refinements', 'none', 'expected a list'),
    ('refinement', 'smooth', "uses the refinement 'smooth', expected one of"),
    ('refinement', None, 'expected a text'),
    ('statistics', {'mean': [1.0]}, "key 'mean', is a list, expected an object"),
    ('statistics', {'entropy': STATISTICS}, "statistics of 'entropy', expected only"),
    ('statistics', {'energy': {**STATISTICS, 'count': [1]}}, 'have 1 counts, expected 19'),
    ('statistics', {'energy': {**STATISTICS, 'count': [-1] * 19}}, 'a whole number from 0'),
    ('statistics', {'energy': {**STATISTICS, 'mean': [0.0]}}, 'expected 19 numbers'),
    ('statistics', {'energy': {**STATISTICS, 'mean': [10**400] * 19}}, 'a finite number'),
    ('statistics', {'energy': {**STATISTICS, 'std': [0.0] * 19}}, 'deviation 0.0, expected > 0'),
    ('statistics', {'energy': {**STATISTICS, 'm': 1}}, "unknown key 'm'"),
    ('calibration', {'entropy': CALIBRATION}, "calibration of 'entropy', which it does not"),
    ('calibration', {'energy+none': CALIBRATION}, 'which it does not offer'),
    ('calibration', {'energy': {}}, "has no key 'threshold'"),
    ('calibration', {'energy': {**CALIBRATION, 'threshold': None}}, 'expected a number'),
    ('calibration', {'energy': {**CALIBRATION, 'method': 1}}, 'expected a text'),
    ('calibration', {'energy': {**CALIBRATION, 'score_range': [1, 1]}}, 'expected low < high'),
    ('calibration', None, 'expected an object'),
    ('licence', {'weights': 1}, 'values that are no texts'),
    ('training', 'yes', 'expected an object'),
    ('hashes', {'../x': '0' * 64}, 'expected a plain file name'),
    ('hashes', {'x': '0' * 63}, 'expected 64 hexadecimal digits'),
    ('hashes', {'x': 'G' * 64}, 'expected 64 hexadecimal digits'),
]


@pytest.mark.parametrize(('key', 'value', 'words'), WRONG)
def test_wrong_values_are_named(key: str, value: Any, words: str) -> None:
    content = full_card().to_json()
    content[key] = value
    with pytest.raises(BundleError, match=words) as caught:
        Card.from_json(content, 'card.json')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('text', ['', '{', '[1]', 'null', '"x"', '[' * 100000, '{"a": 1}'])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(BundleError):
        Card.from_text(text, 'card.json')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(sorted(full_card().to_json())), value=JSON)
def test_any_value_is_a_card_or_a_clear_refusal(key: str, value: Any) -> None:
    content = copy.deepcopy(full_card().to_json())
    content[key] = value
    try:
        card = Card.from_json(content)
    except BundleError:
        return
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card
