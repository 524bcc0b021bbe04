# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transitions of a live detector, failing ones included."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy')

from std_srvs.srv import SetBool
from support.detector_bench import record
from support.tiny_bundle import stripes

pytestmark = pytest.mark.ros


def test_all_transitions_by_hand(bench: Any) -> None:
    live = bench(autostart=False, wait=False)
    status = live.status('life cycle')
    assert (status.level, status.message.split(':')[0]) == (b'\x01', 'unconfigured')
    assert live.state() == 'unconfigured'
    assert live.change_state('configure')
    assert live.state() == 'inactive'
    assert live.status('life cycle').level == b'\x01'
    assert live.images.get_subscription_count() == 0
    for _ in range(2):
        assert live.change_state('activate')
        assert live.state() == 'active'
        live.wait(lambda: live.images.get_subscription_count() == 1, 'the node subscribes')
        live.subscribe('labels')
        live.serves(live.image(stripes()))
        assert live.status('life cycle').level == b'\x00'
        assert live.change_state('deactivate')
        assert live.state() == 'inactive'
        live.wait(lambda: live.images.get_subscription_count() == 0, 'the node unsubscribes')
        live.unsubscribe('labels')
    engine = live.node._pipeline.engine
    assert live.change_state('cleanup')
    assert live.state() == 'unconfigured'
    assert live.node._pipeline is None
    with pytest.raises(Exception, match='closed'):
        engine.run(stripes()[None], ('labels',))
    assert live.change_state('configure')
    assert live.change_state('activate')
    live.subscribe('labels')
    live.serves(live.image(stripes()))
    assert live.change_state('shutdown')
    assert live.state() == 'finalized'
    live.wait(lambda: live.images.get_subscription_count() == 0, 'the node unsubscribes')


def test_transitions_that_do_not_exist_change_nothing(bench: Any) -> None:
    live = bench()
    assert not live.change_state('configure')
    assert not live.change_state('nonsense')
    assert live.state() == 'active'
    live.subscribe('labels')
    live.serves(live.image(stripes()))


def test_deactivating_waits_for_the_image_in_work(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    recorder = record(live)
    recorder.delay = 0.5
    message = live.send(live.image(stripes()))
    live.wait(lambda: recorder.runs, 'the engine runs')
    assert live.change_state('deactivate')
    assert live.change_state('cleanup')
    assert live.counts()['rejected'] == 0
    assert live.result('labels', message)


def test_services_answer_while_the_engine_works(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    recorder = record(live)
    recorder.delay = 1.5
    live.send(live.image(stripes()))
    live.wait(lambda: recorder.runs, 'the engine runs')
    begin = time.monotonic()
    assert live.state() == 'active'
    assert live.set('overlay_alpha', 0.1) == (True, '')
    assert time.monotonic() - begin < 1.0


def test_a_missing_bundle_leaves_the_node_alive_until_the_user_names_another(
    bench: Any, tiny_bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live = bench(tmp_path / 'nowhere', wait=False)
    status = live.status('life cycle', lambda s: s.level == b'\x02')
    assert 'nowhere' in status.message
    assert 'card.json' in status.message
    assert live.state() == 'unconfigured'
    assert not live.change_state('configure')
    assert live.state() == 'unconfigured'
    assert live.set('bundle', str(tiny_bundle)) == (True, '')
    assert live.change_state('configure')
    assert live.change_state('activate')
    live.subscribe('labels')
    live.serves(live.image(stripes()))
    assert live.status('life cycle').level == b'\x00'
    text = ''.join(capfd.readouterr())
    assert text.count('not configured: there is no bundle') == 2
    assert 'Traceback' not in text


def spoil_graph(folder: Path) -> None:
    graph = folder / 'detector.onnx'
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)


def spoil_card(folder: Path) -> None:
    card = folder / 'card.json'
    card.write_text(card.read_text().replace('"scores"', '"scoreboard"'))


def cut_card(folder: Path) -> None:
    card = folder / 'card.json'
    card.write_text(card.read_text()[:100])


def remove_graph(folder: Path) -> None:
    (folder / 'detector.onnx').unlink()


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (spoil_graph, 'SHA-256'),
        (spoil_card, 'score'),
        (cut_card, 'JSON'),
        (remove_graph, 'detector.onnx'),
    ],
)
def test_a_tampered_bundle_is_refused_with_one_sentence(
    bench: Any, tiny_bundle: Path, tmp_path: Path, spoil: Any, words: str
) -> None:
    folder = tmp_path / 'bundle'
    shutil.copytree(tiny_bundle, folder)
    spoil(folder)
    live = bench(folder, wait=False)
    status = live.status('life cycle', lambda s: s.level == b'\x02')
    assert words in status.message
    assert '\n' not in status.message
    assert live.state() == 'unconfigured'
    shutil.rmtree(folder)
    shutil.copytree(tiny_bundle, folder)
    assert live.change_state('configure')
    assert live.change_state('activate')
    live.subscribe('labels')
    live.serves(live.image(stripes()))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'engine': 'steam'}, 'steam'),
        ({'score': 'luck'}, 'max_logit'),
        ({'device': 'abacus'}, 'abacus'),
        ({'bundle': ''}, 'bundle'),
        ({'engine': 'torch'}, 'weights'),
        ({'detector': 'synboost'}, 'expected synboost'),
    ],
)
def test_parameters_that_do_not_fit_are_refused_with_one_sentence(
    bench: Any, options: dict[str, Any], words: str
) -> None:
    live = bench(**{'wait': False, **options})
    status = live.status('life cycle', lambda s: s.level == b'\x02')
    assert words in status.message
    assert '\n' not in status.message
    assert live.state() == 'unconfigured'


def test_enable_and_disable(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    recorder = record(live)
    live.serves(live.image(stripes()))
    response = live.call(SetBool, 'enable', SetBool.Request(data=False))
    assert response.success
    live.send(live.image(stripes()))
    live.wait(lambda: live.counts()['while disabled'] == 1, 'the image is dropped')
    assert len(recorder.runs) == 1
    status = live.status('life cycle')
    assert (status.level, status.message) == (b'\x01', 'disabled by its enable service')
    assert live.change_state('deactivate')
    assert live.change_state('activate')
    live.wait(lambda: live.images.get_subscription_count() == 1, 'the node subscribes')
    live.send(live.image(stripes()))
    live.wait(lambda: live.counts()['while disabled'] == 2, 'it stays disabled')
    assert live.call(SetBool, 'enable', SetBool.Request(data=True)).message == 'enabled'
    live.serves(live.image(stripes()))


def test_an_activation_that_fails_leaves_the_node_inactive_and_says_why(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = bench(autostart=False, wait=False)
    assert live.change_state('configure')

    def fail(*_: Any, **__: Any) -> None:
        msg = 'the middleware has no more endpoints'
        raise RuntimeError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(live.node, 'create_subscription', fail)
        assert not live.change_state('activate')
    assert live.state() == 'inactive'
    status = live.status('life cycle')
    assert status.level == b'\x02'
    assert 'no more endpoints' in status.message
    assert live.change_state('activate')
    live.subscribe('labels')
    live.serves(live.image(stripes()))
    assert live.status('life cycle').level == b'\x00'
