# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Legends, contact sheets and videos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.render import (
    RenderError,
    VideoWriter,
    caption,
    class_legend,
    colour_bar,
    contact_sheet,
    mask_legend,
)
from anomaly_seg_ros.render.palette import MASK_COLOUR, heat_table


def plain(width: int, height: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_a_caption_stands_above_the_unchanged_image():
    image = plain(120, 20, 90)
    result = caption(image, 'frame 12', height=16)
    assert result.shape == (36, 120, 3)
    np.testing.assert_array_equal(result[16:], image)
    assert result[:16].max() > 150
    blank = caption(image, '', height=16)[:16]
    assert (result[:16] != blank).any()
    assert caption(image, 'Straße ☂').shape == (44, 120, 3)
    with pytest.raises(RenderError, match='caption height of 4'):
        caption(image, 'x', height=4)


def test_the_legend_shows_every_class_colour():
    legend = class_legend(width=400, row=20)
    assert legend.shape[1] == 400
    assert legend.shape[0] % 20 == 0
    colours = {tuple(c) for c in legend.reshape(-1, 3).tolist()}
    assert set(CITYSCAPES.palette) <= colours
    assert class_legend(width=64, row=8).shape[1] == 64
    with pytest.raises(RenderError, match='legend of width 10'):
        class_legend(width=10)


def test_the_colour_bar_runs_from_cold_to_hot():
    bar = colour_bar((0, 2), '', width=600, row=20)
    assert bar.shape == (60, 600, 3)
    colours = bar[30, 6:-6].astype(int)
    assert np.abs(colours[0] - heat_table()[0, 0]).max() < 3
    assert np.abs(colours[-1] - heat_table()[0, 255]).max() < 3
    assert not (bar == MASK_COLOUR).all(2).any()
    # Numbers stand below both ends and nothing between them.
    assert bar[40:, :60].max() > 200
    assert bar[40:, -60:].max() > 200
    assert bar[40:, 60:-60].max() < 40
    with pytest.raises(RenderError, match='expected \\(low, high\\)'):
        colour_bar((2, 0))
    with pytest.raises(RenderError, match='colour bar of width 8 and row 8'):
        colour_bar((0, 1), width=8, row=8)


@pytest.mark.parametrize(
    ('threshold', 'share'), [(-4.0, 0), (-1.0, 0.25), (0.0, 0.5), (2.0, 1), (9.0, 1)]
)
def test_the_threshold_has_a_tick_in_the_colours(threshold: float, share: float):
    bar = colour_bar((-2, 2), 'max_logit+sml', threshold=threshold, width=312, row=18)
    ticked = np.flatnonzero((bar[27] == MASK_COLOUR).all(1))
    # 300 pixels of colours between margins of 6.
    assert abs(ticked.mean() - (6 + 299 * share)) <= 1
    assert 1 <= ticked.size <= 5
    plain_bar = colour_bar((-2, 2), 'max_logit+sml', width=312, row=18)
    assert (bar[36:] != plain_bar[36:]).any()
    np.testing.assert_array_equal(bar[:15], plain_bar[:15])


def test_the_mask_has_a_legend_of_its_own():
    legend = mask_legend('entropy > 0.5', row=20)
    assert legend.shape[0] == 20
    assert (legend[:, :24] == MASK_COLOUR).all(2).any()
    assert mask_legend('entropy > 0.5555555', row=20).shape[1] > legend.shape[1]
    with pytest.raises(RenderError, match='legend of row 3'):
        mask_legend('x', row=3)


def test_a_contact_sheet_puts_images_in_rows():
    images = [plain(10, 6, v) for v in (50, 100, 150)]
    sheet = contact_sheet(images, 2, gap=2)
    assert sheet.shape == (2 * 6 + 3 * 2, 2 * 10 + 3 * 2, 3)
    assert (sheet[2:8, 2:12] == 50).all()
    assert (sheet[2:8, 14:24] == 100).all()
    assert (sheet[10:16, 2:12] == 150).all()
    background = sheet[0, 0]
    assert (sheet[10:16, 14:24] == background).all()
    assert contact_sheet(images, 7, gap=0).shape == (6, 30, 3)


def test_sheets_mix_sizes_scale_and_caption():
    sheet = contact_sheet([plain(8, 4, 80), plain(4, 4, 90)], 1, gap=0)
    assert sheet.shape == (8, 8, 3)
    assert (sheet[4:, 2:6] == 90).all()
    assert (sheet[4:, :2] == sheet[4, 0]).all()
    scaled = contact_sheet([plain(8, 4, 80)], gap=0, cell_width=16)
    np.testing.assert_array_equal(scaled, plain(16, 8, 80))
    captioned = contact_sheet([plain(80, 4, 80)], captions=['one'], gap=0)
    assert captioned.shape == (28, 80, 3)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (([],), 'received no image'),
        (([plain(4, 4, 1)], 0), 'received columns 0'),
        (([plain(4, 4, 1)], 1, ['a', 'b']), '2 captions for 1 images'),
        (([np.zeros((4, 4), np.uint8)],), 'as image 0'),
    ],
)
def test_bad_sheets_are_refused(arguments, message):
    with pytest.raises(RenderError, match=message):
        contact_sheet(*arguments)


@pytest.mark.parametrize('size', [(64, 48), (63, 47)])
def test_a_video_gives_its_frames_back(tmp_path, size, capfd):
    path = tmp_path / 'out' / 'clip.mp4'
    frames = [plain(*size, v) for v in (30, 120, 210)]
    for frame in frames:
        frame[:, : size[0] // 2] = (200, 40, 40)
    with VideoWriter(path, 12.5) as writer:
        for frame in frames:
            writer.write(frame)
        assert not path.exists()
    assert writer.frames == 3
    assert writer.codec in ('avc1', 'mp4v')
    assert [p.name for p in path.parent.iterdir()] == ['clip.mp4']
    assert capfd.readouterr().err == ''
    reader = cv2.VideoCapture(str(path))
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)
    for frame in frames:
        ok, bgr = reader.read()
        assert ok
        assert bgr.shape[0] - size[1] in (0, 1)
        assert bgr.shape[1] - size[0] in (0, 1)
        right = bgr[10:30, -16:-4].mean((0, 1))
        left = bgr[10:30, 4:16].mean((0, 1))
        assert np.abs(right - frame[20, -6]).max() < 12
        # OpenCV reads BGR: red comes last.
        assert left[2] > left[0] + 100
    assert not reader.read()[0]


def test_no_half_video_is_left_behind(tmp_path):
    path = tmp_path / 'clip.mp4'
    path.write_bytes(b'the old one')

    def interrupted() -> None:
        with VideoWriter(path, 10) as writer:
            writer.write(plain(32, 32, 1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b'the old one'
    assert [p.name for p in tmp_path.iterdir()] == ['clip.mp4']


def test_videos_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(RenderError, match='ends in .mp4'):
        VideoWriter(tmp_path / 'clip.avi', 10)
    with pytest.raises(RenderError, match='received 0 frames per second'):
        VideoWriter(tmp_path / 'clip.mp4', 0)
    with (
        pytest.raises(RenderError, match='no image was written'),
        VideoWriter(tmp_path / 'clip.mp4', 10),
    ):
        pass

    def two_sizes() -> None:
        with VideoWriter(tmp_path / 'clip.mp4', 10) as writer:
            writer.write(plain(32, 32, 1))
            writer.write(plain(32, 16, 1))

    with pytest.raises(RenderError, match='image of 32x16 for a video of 32x32'):
        two_sizes()
    assert not list(tmp_path.iterdir())
