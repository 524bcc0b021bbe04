# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg record``: arguments to bags."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_seg_ros.bags import Bag
from anomaly_seg_ros.cli.main import main
from anomaly_seg_ros.sources import open_source


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three images with labels and masks, in which 2 means anomaly."""
    for name in ('images', 'ids', 'masks'):
        (tmp_path / 'set' / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(3):
        cv2.imwrite(str(tmp_path / f'set/images/{index}.png'), rng.integers(0, 256, (40, 80, 3)))
        for name, values in (('ids', [0, 18, 255]), ('masks', [0, 2])):
            labels = rng.choice(np.array(values, np.uint8), (40, 80))
            cv2.imwrite(str(tmp_path / f'set/{name}/{index}.png'), labels)
    return tmp_path / 'set'


def test_images_with_ground_truth(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        'record', images, '--out', tmp_path / 'bag', '--labels', images / 'ids', '--anomaly',
        images / 'masks', '--anomaly-value', 2, '--size', '40x20', '--fps', 5, '--start', 10,
        '--storage', 'sqlite3', '--frames', 2,
    ]  # fmt: skip
    assert main([str(argument) for argument in arguments]) == 0
    assert '2 frames of 40x20, 2 with labels, 2 with anomaly masks' in capsys.readouterr().out
    frames = list(open_source(tmp_path / 'bag'))
    assert [frame.stamp for frame in frames] == [10 * 10**9, 10 * 10**9 + 200_000_000]
    for index, frame in enumerate(frames):
        mask = cv2.imread(str(images / f'masks/{index}.png'), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        assert frame.anomaly is not None
        assert np.array_equal(frame.anomaly, mask[::2, ::2] // 2)
        assert frame.image.shape == (20, 40, 3)
    assert (tmp_path / 'bag' / 'bag.db3').is_file()


def test_an_existing_bag_is_kept_unless_asked(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['record', str(images), '--out', str(tmp_path / 'bag')]
    assert main([*arguments, '--compressed', 'jpeg']) == 0
    assert main(arguments) == 2
    assert 'exists' in capsys.readouterr().err
    assert main([*arguments, '--overwrite', '--frames', '1']) == 0
    with Bag(tmp_path / 'bag') as bag:
        assert {t.name: t.messages for t in bag.topics.values()} == {
            '/camera/camera_info': 1,
            '/camera/image': 1,
        }


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['nowhere', '--out', 'bag'], 'nowhere does not exist'),
        (['synthetic', '--out', 'bag', '--size', '10'], 'expected WIDTHxHEIGHT'),
        (['synthetic', '--out', 'bag', '--size', '10x10'], 'received the size 10x10'),
        (['synthetic', '--out', 'bag', '--fps', 'nan'], 'frames per second'),
        (['synthetic', '--out', 'bag', '--labels', 'labels'], 'label folders belong'),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['record', *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert 'Traceback' not in error
    assert list(tmp_path.iterdir()) == []
