# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``export``: from a checkpoint to a bundle that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('onnxscript')

from anomaly_seg_ros.bundle import Bundle  # noqa: E402
from anomaly_seg_ros.cli.export import OptionError, parse_options  # noqa: E402
from anomaly_seg_ros.cli.main import main  # noqa: E402
from anomaly_seg_ros.engines import load_engine  # noqa: E402
from anomaly_seg_ros.models import create_segmenter  # noqa: E402
from anomaly_seg_ros.refinement import REFINEMENTS_DEFAULT  # noqa: E402


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'erfnet.pth'
    segmenter = create_segmenter('erfnet', num_classes=20)
    torch.save({f'module.{k}': v for k, v in segmenter.state_dict().items()}, path)
    return path


def arguments(checkpoint: Path, out: Path, **changes: Any) -> list[str]:
    options = {
        'segmenter': 'erfnet',
        'weights': str(checkpoint),
        'size': '64x32',
        'score': 'energy',
        'refinements': 'none',
        'out': str(out),
        **changes,
    }
    words = ['export', '--option', 'num_classes=20', '--option', 'known_classes=19']
    for name, value in options.items():
        words += [f'--{name.replace("_", "-")}', *([value] if isinstance(value, str) else value)]
    return words


def test_checkpoint_becomes_a_bundle(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'mine'
    changes = {'mean': ['0.1', '0.2', '0.3'], 'threshold': '-4.5', 'score_range': ['-20', '0']}
    assert main(arguments(checkpoint, out, **changes)) == 0
    assert f'{out}: erfnet at 64x32' in capsys.readouterr().out
    bundle = Bundle.open(out)
    card = bundle.card
    assert card.name == 'mine'
    assert card.segmenter.options == {'num_classes': 20, 'known_classes': 19}
    assert card.preprocessing.mean == (0.1, 0.2, 0.3)
    assert card.threshold is not None
    assert card.threshold.value == -4.5
    assert card.score_range == (-20, 0)
    assert card.scores == ('max_softmax', 'entropy', 'max_logit', 'energy', 'max_min')
    assert card.refinements == ('none',)
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 64, 3), np.uint8)
    results = [
        load_engine(name, bundle, threads=1).run(image, ('energy',))['energy']
        for name in ('onnxruntime', 'torch')
    ]
    np.testing.assert_allclose(*results, atol=1e-3)


@pytest.mark.parametrize(
    ('words', 'refinements'),
    [
        ((), REFINEMENTS_DEFAULT),
        (('--refinements', 'sml,suppress+vde'), ('none', 'sml', 'suppress+vde')),
        (('--refinements', 'smooth,none'), ('none', 'smooth')),
    ],
)
def test_refinements_are_offered_of_every_score(
    words: tuple[str, ...], refinements: tuple[str, ...], checkpoint: Path, tmp_path: Path
) -> None:
    usual = arguments(checkpoint, tmp_path / 'b')
    place = usual.index('--refinements')
    assert main([*usual[:place], *usual[place + 2 :], *words, '--no-graph']) == 0
    card = Bundle.open(tmp_path / 'b').card
    assert card.refinements == refinements
    assert (card.refinement, card.output) == ('none', 'energy')


def test_weights_only(checkpoint: Path, tmp_path: Path) -> None:
    assert main([*arguments(checkpoint, tmp_path / 'b', scores='energy'), '--no-graph']) == 0
    card = Bundle.open(tmp_path / 'b').card
    assert card.graph is None
    assert card.scores == ('energy',)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'segmenter': 'nonet'}, "unknown segmenter 'nonet'; choose one of: "),
        ({'weights': '/nowhere.pth'}, 'there is no weights file /nowhere.pth'),
        ({'size': 'big'}, "received the size 'big', expected WIDTHxHEIGHT"),
        ({'scores': 'energy,magic'}, "unknown score 'magic'; choose one of"),
        ({'scores': 'entropy'}, "received the score 'energy', expected one of: entropy"),
        ({'refinements': 'none,blur'}, "received the refinement 'blur', expected 'none' or some"),
        ({'refinements': 'smooth+sml'}, 'sml, suppress, smooth, vde, in this order'),
        ({'std': ['1', '0', '1']}, 'expected positive standard deviations'),
        ({'option': 'classes'}, "received --option 'classes', expected KEY=VALUE"),
        (
            {'option': 'known_classes=18'},
            r'logits of shape \(1, 18, 32, 64\), expected 19 classes',
        ),
        ({'option': 'num_classes=19'}, 'does not fit ERFNet'),
        ({'option': 'width=3'}, "segmenter 'erfnet' cannot be built with options"),
    ],
)
def test_mistakes_are_explained(
    changes: dict[str, Any],
    words: str,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import re

    assert main(arguments(checkpoint, tmp_path / 'b', **changes)) == 2
    message = capsys.readouterr().err
    assert re.search(words, message)
    assert message.startswith('anomaly-seg: error: ')
    assert message.count('\n') == 1
    assert not (tmp_path / 'b').exists()


def test_options_are_yaml_values() -> None:
    assert parse_options(['a=1', 'b=[1, 2]', 'c=x', 'd=true', 'e=0.5', 'f=']) == {
        'a': 1, 'b': [1, 2], 'c': 'x', 'd': True, 'e': 0.5, 'f': None,
    }  # fmt: skip
    with pytest.raises(OptionError, match='whose value cannot be read'):
        parse_options(['a=[1'])


@pytest.mark.shared_data
def test_published_erfnet_weights_fit(shared_data: Path, tmp_path: Path) -> None:
    weights = shared_data / 'checkpoints' / 'erfnet_cityscapes.pth'
    assert main([*arguments(weights, tmp_path / 'b'), '--no-graph']) == 0
    road = np.full((1, 32, 64, 3), 90, np.uint8)
    engine = load_engine('torch', Bundle.open(tmp_path / 'b'), threads=1)
    assert engine.run(road, ('labels',))['labels'].max() < 19
