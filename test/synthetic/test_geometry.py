# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Projection, painter's order and pixel-exact ownership, on hand-made scenes."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import UNKNOWN_KINDS, SceneConfig, labels
from anomaly_seg_ros.synthetic.arrays import fractal
from anomaly_seg_ros.synthetic.atmosphere import Atmosphere
from anomaly_seg_ros.synthetic.camera import Bend, Camera, CameraPath
from anomaly_seg_ros.synthetic.canvas import Canvas
from anomaly_seg_ros.synthetic.mesh import MeshBuilder
from anomaly_seg_ros.synthetic.sprite import Brush
from anomaly_seg_ros.synthetic.things import Standing, View
from anomaly_seg_ros.synthetic.unknown import footprint, unknown
from anomaly_seg_ros.synthetic.walls import Texture, draw_wall

SIZE = Size(200, 100)


@pytest.fixture
def camera() -> Camera:
    return Camera(SIZE, 200.0, 1.5, 0.0, 0.0, 100.0, 40.0, Bend(0.0, 60.0, 0.0))


@pytest.fixture
def air() -> Atmosphere:
    config = SceneConfig(size=SIZE, weather='clear', light='noon')
    return Atmosphere.choose(config, np.random.default_rng(0))


def block(colour, label, width=1.0, height=2.0):
    brush = Brush(width, height, 40)
    brush.box(-width / 2, 0, width / 2, height, colour)
    return brush.finish((label,))


def test_points_project_as_the_pinhole_formula_says(camera):
    image, depth = camera.project(np.array([[2.0, 0.5, 10.0], [-1.0, 1.5, 20.0]]))
    np.testing.assert_allclose(image, [[140.0, 60.0], [90.0, 40.0]])
    np.testing.assert_allclose(depth, [10.0, 20.0])
    assert camera.project_point(2.0, 0.5, 10.0) == pytest.approx((140.0, 60.0, 20.0))


def test_a_bend_slides_far_points_sideways_and_starts_straight():
    bend = Bend(5.0, 60.0, 0.3)
    camera = Camera(SIZE, 200.0, 1.5, 0.0, 12.0, 100.0, 40.0, bend)
    assert camera.lateral_shift_at(12.0) == pytest.approx(0)
    assert camera.lateral_shift_at(12.01) == pytest.approx(0, abs=1e-6)
    assert abs(camera.lateral_shift_at(80.0)) > 1
    shifts = camera.lateral_shift(np.array([20.0, 80.0]))
    assert shifts[1] == pytest.approx(camera.lateral_shift_at(80.0))


def test_a_nearer_thing_hides_a_farther_one(camera, air):
    canvas = Canvas(SIZE)
    far = Standing(0, 20, 0, 0, (lambda: block((255, 0, 0), labels.CAR),), (1,), 1, 2)
    near = Standing(0.2, 10, 0, 0, (lambda: block((0, 255, 0), labels.PERSON),), (2,), 1, 2)
    view = View(canvas, camera, air, 0.0)
    for thing in sorted((near, far), key=lambda t: -t.distance(camera, 0)):
        thing.draw(view)
    found, instances = canvas.truth()
    # The far one spans columns 95..105, the near one 94..114 over all of its rows but the top.
    assert found[50, 104] == labels.PERSON
    assert instances[50, 104] == 2
    assert found[50, 92] == labels.CAR or not (found == labels.CAR)[:, 95:].any()
    alone = Canvas(SIZE)
    far.draw(View(alone, camera, air, 0.0))
    assert (alone.truth()[0] == labels.CAR).sum() > (found == labels.CAR).sum()


def test_a_sprite_covers_exactly_its_projected_box(camera, air):
    canvas = Canvas(SIZE)
    background = canvas.part(labels.SKY)
    canvas.owners[:] = background
    block((10, 200, 10), labels.PERSON).draw(canvas, camera, air, (1.0, 0.0, 10.0), (7,))
    found, instances = canvas.truth()
    rows, columns = np.nonzero(found == labels.PERSON)
    # 1 m is 20 px: middle 120, foot 40 + 30 = 70.
    assert abs(columns.min() - 110) <= 1
    assert abs(columns.max() - 130) <= 1
    assert abs(rows.max() - 70) <= 1
    assert abs(rows.min() - 30) <= 1
    assert np.array_equal(instances == 7, found == labels.PERSON)
    painted = canvas.image[:, :, 1] > canvas.image[:, :, 0]
    assert np.array_equal(painted, found == labels.PERSON)


def test_things_behind_the_camera_are_not_drawn(camera, air):
    canvas = Canvas(SIZE)
    block((9, 9, 9), labels.CAR).draw(canvas, camera, air, (0, 0, -5), (1,))
    texture = Texture(np.full((20, 20, 3), 90, np.uint8))
    draw_wall(canvas, camera, air, texture, ((3, -9), (3, -2)), 4, (labels.WALL, 0), 0.5)
    assert not canvas.image.any()


def test_a_wall_is_cut_where_it_passes_the_camera(camera, air):
    canvas = Canvas(SIZE)
    canvas.owners[:] = canvas.part(labels.SKY)
    texture = Texture(np.full((20, 20, 3), 90, np.uint8))
    draw_wall(canvas, camera, air, texture, ((3, 40), (3, -20)), 4, (labels.WALL, 0), 0.5)
    found = canvas.truth()[0]
    assert (found[:, 199] == labels.WALL).mean() > 0.5
    assert not (found[:, :114] == labels.WALL).any()
    assert (found[40, 116:] == labels.WALL).all()


def test_a_box_shows_its_near_side_and_is_filled(camera, air):
    builder = MeshBuilder()
    builder.box((-1, 0, -2), (1, 1.2, 2), (200, 40, 40))
    builder.disc(1, 0.3, 0, 0.3)
    mesh = builder.finish()
    canvas = Canvas(SIZE)
    canvas.owners[:] = canvas.part(labels.ROAD)
    mesh.draw(canvas, camera, air, (0, 0, 12), 0.0, canvas.part(labels.CAR, 3))
    found, instances = canvas.truth()
    rows, columns = np.nonzero(found == labels.CAR)
    # The near side is 10 m away: 20 px per metre, columns 80..120, foot at row 70.
    assert (columns.min(), columns.max()) == (80, 120)
    assert rows.max() == 70
    assert (found[50:70, 82:118] == labels.CAR).all()
    assert np.array_equal(instances == 3, found == labels.CAR)


@pytest.mark.parametrize('kind', UNKNOWN_KINDS)
def test_unknown_objects_fill_their_footprint_and_differ(kind):
    width, height = footprint(kind, 5)
    thing = unknown(kind, 5, 0.3)
    assert (thing.width, thing.height) == (width, height)
    rows, columns = np.nonzero(thing.sprite.levels[0][1])
    assert np.ptp(rows) / thing.sprite.scale > 0.75 * height
    assert np.ptp(columns) / thing.sprite.scale > 0.5 * width
    assert thing.sprite.labels == (labels.UNKNOWN,)
    other = unknown(kind, 6, 0.3)
    assert thing.sprite.levels[0][0].tobytes() != other.sprite.levels[0][0].tobytes()
    again = unknown(kind, 5, 0.3)
    assert thing.sprite.levels[0][0].tobytes() == again.sprite.levels[0][0].tobytes()


def test_the_camera_never_drives_backwards_and_stands_at_speed_zero():
    rng = np.random.default_rng(1)
    path = CameraPath.choose(SceneConfig(size=SIZE, speed=8.0), rng, 1.75)
    travelled = [path.travelled(t / 10) for t in range(200)]
    assert travelled[0] == 0
    assert (np.diff(travelled) > 0).all()
    assert travelled[-1] == pytest.approx(8 * 19.9, rel=0.05)
    still = CameraPath.choose(SceneConfig(size=SIZE, speed=0.0), rng, 1.75)
    assert still.travelled(100) == 0


def test_noise_wraps_around_and_fills_its_range():
    noise = fractal(np.random.default_rng(2), (64, 96), (4, 6))
    assert noise.min() == 0
    assert noise.max() == pytest.approx(1)
    across = np.abs(noise[:, 0] - noise[:, -1]).mean()
    inside = np.abs(np.diff(noise, axis=1)).mean()
    assert across < 2.5 * inside
