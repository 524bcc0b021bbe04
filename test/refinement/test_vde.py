# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VDE against the paper's steps taken literally, and against cases worked out by hand."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from support.vde_reference import KERNEL, region_reference, true_road, vde_reference

torch = pytest.importorskip('torch')

from anomaly_seg_ros.refinement import vde  # noqa: E402
from anomaly_seg_ros.refinement.vde import VdeConfig, vde_refine, vde_region  # noqa: E402

ROAD, OTHER = 0, 2
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
KERNELS = [KERNEL, CROSS, np.ones((5, 5), bool), np.ones((1, 3), bool), np.ones((7, 3), bool)]
MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
AMOUNTS = st.sampled_from([0.0, 0.5, 1.0, 3.25])


@pytest.fixture(params=['arrays', 'tensors'])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let both forms of the code refine: NumPy, which the CPU gets, and PyTorch's operators."""
    if request.param == 'tensors':
        monkeypatch.setattr(vde, 'is_plain', lambda tensor: False)
    return str(request.param)


def of_text(rows: str) -> NDArray[np.bool_]:
    """Return a mask drawn with ``#`` for road."""
    return np.array([[pixel == '#' for pixel in row] for row in rows.split()])


def pictures() -> list[NDArray[np.bool_]]:
    """Masks that are meant to break a fast version."""
    diagonal = np.eye(9, dtype=bool)
    ring = np.ones((8, 10), bool)
    ring[2:6, 3:7] = False
    road = np.zeros((16, 24), bool)
    for y in range(5, 16):  # A road in perspective, with a car, a hole at the border and a blob.
        road[y, max(0, 12 - y) : 12 + y // 2] = True
    road[8:12, 10:14] = False
    road[15, :4] = False
    road[2, 20] = True
    corners = np.zeros((6, 7), bool)
    corners[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    return [
        np.zeros((7, 9), bool),
        np.ones((7, 9), bool),
        diagonal,
        diagonal[:, ::-1].copy(),
        ring,
        ~ring,
        road,
        corners,
        np.indices((9, 9)).sum(0) % 2 == 0,
        np.indices((8, 12))[1] % 5 == 2,  # Several roads side by side.
        np.indices((12, 8))[0] % 5 == 2,
        of_text('#'),
        of_text('.'),
        of_text('..#..#.'),
        of_text('. # . #'),
        of_text('#..... ...... .....#'[:13]),
    ]


def region_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the fast region of a mask of true road."""
    labels = torch.from_numpy(np.where(mask, ROAD, OTHER).astype(np.uint8))[None]
    score = torch.zeros(labels.shape)
    road, region = vde_region(score, labels, (ROAD,), 0.0)
    assert (road[0].numpy() == mask).all()
    refined = vde_refine(score, labels, (ROAD,), VdeConfig(0, 1, 2, 4))[0].numpy()
    expected = np.where(mask, -2, np.where(region[0].numpy(), 1, -4 * mask.any()))
    np.testing.assert_array_equal(refined, expected)
    return region[0].numpy()


@pytest.mark.parametrize('mask', pictures(), ids=range(len(pictures())))
@pytest.mark.parametrize('kernel', KERNELS, ids=lambda k: f'{k.shape}{int(k.sum())}')
def test_region_of_pictures_for_every_kernel_and_scan(
    mask: NDArray[np.bool_], kernel: NDArray[np.bool_]
) -> None:
    region = region_of(mask)
    assert (region == region_reference(mask, kernel)).all()
    assert (region == region_reference(mask, kernel, backwards=True)).all()


@given(mask=MASKS, kernel=st.sampled_from(KERNELS), backwards=st.booleans())
@settings(deadline=None, max_examples=300)
def test_region_of_random_masks(
    mask: NDArray[np.bool_], kernel: NDArray[np.bool_], backwards: bool
) -> None:
    assert (region_of(mask) == region_reference(mask, kernel, backwards)).all()


@given(density=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_region_of_sparse_and_dense_masks(density: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((24, 37)) < density
    assert (region_of(mask) == region_reference(mask)).all()


def test_every_mask_of_a_few_pixels() -> None:
    for height, width in [(1, 8), (8, 1), (2, 4), (3, 3)]:
        for bits in range(2 ** (height * width)):
            row = [bits >> i & 1 for i in range(height * width)]
            mask = np.array(row, bool).reshape(height, width)
            assert (region_of(mask) == region_reference(mask)).all()


SCORES = hnp.arrays(
    np.float32,
    (5, 7),
    elements=st.one_of(
        st.floats(-4, 4, width=32),
        st.sampled_from([-1.0, 0.0, np.nan, np.inf, -np.inf]),
    ),
)


@given(
    score=SCORES,
    labels=hnp.arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 254, 255])),
    drivable=st.sets(st.sampled_from([0, 1, 2, 18]), min_size=1),
    threshold=st.sampled_from([-5.0, -1.0, 0.0, 1.0]),
    amounts=st.tuples(AMOUNTS, AMOUNTS, AMOUNTS),
)
@example(np.zeros((5, 7), np.float32), np.full((5, 7), 2, np.uint8), {0}, 0.0, (1.0, 1.0, 1.0))
@settings(deadline=None, max_examples=200)
def test_refined_score_equals_the_reference(
    score: NDArray[np.float32],
    labels: NDArray[np.uint8],
    drivable: set[int],
    threshold: float,
    amounts: tuple[float, float, float],
) -> None:
    config = VdeConfig(threshold, *amounts)
    batch = torch.from_numpy(np.stack([score, score[:, ::-1]]))
    both = torch.from_numpy(np.stack([labels, labels[:, ::-1]]))
    before = batch.clone()
    expected = vde_reference(score, labels, tuple(drivable), threshold, *amounts)
    with pytest.MonkeyPatch.context() as patch:
        for _ in ('arrays', 'tensors'):
            refined = vde_refine(batch, both, tuple(drivable), config)
            assert refined.dtype == batch.dtype
            np.testing.assert_array_equal(refined[0].numpy(), expected)
            # A mirrored frame has a mirrored result, beside another frame in the batch.
            np.testing.assert_array_equal(refined[1].numpy(), expected[:, ::-1])
            patch.setattr(vde, 'is_plain', lambda tensor: False)
    np.testing.assert_array_equal(batch.numpy(), before.numpy())


def test_by_hand(form: str) -> None:
    # Road with an unsure pixel in the middle, sky above, a house on the right.
    labels = np.array([[10, 10, 10, 10], [0, 0, 0, 2], [2, 2, 2, 2]], np.uint8)
    score = np.array([[1, 1, 1, 1], [-1, 3, -2, 1], [0, 0, 0, 0]], np.float32)
    config = VdeConfig(road_threshold=-1, raise_hole=0.5, lower_road=0.25, lower_outside=2)
    refined = vde_refine(
        torch.from_numpy(score)[None], torch.from_numpy(labels)[None], [0], config
    )
    expected = [[-1, -1, -1, -1], [-1.25, 3.5, -2.25, -1], [-2, -2, -2, -2]]
    np.testing.assert_array_equal(refined[0].numpy(), expected)


def frame(seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    score = random.normal(size=(2, 6, 11)).astype(np.float32)
    return torch.from_numpy(score), torch.from_numpy(random.integers(0, 3, (2, 6, 11), np.uint8))


CONFIG = VdeConfig(road_threshold=0.25, raise_hole=0.5, lower_road=0.25, lower_outside=2)


def test_without_drivable_classes_nothing_changes() -> None:
    score, labels = frame()
    assert torch.equal(vde_refine(score, labels, (), CONFIG), score)


def test_a_frame_without_road_stays_and_its_neighbour_does_not(form: str) -> None:
    score, labels = frame()
    labels[0] = 5
    refined = vde_refine(score, labels, (0, 1), CONFIG)
    assert torch.equal(refined[0], score[0])
    assert not torch.equal(refined[1], score[1])


def test_road_everywhere_is_lowered_everywhere(form: str) -> None:
    score = torch.full((1, 4, 5), -1.0)
    refined = vde_refine(score, torch.zeros((1, 4, 5), dtype=torch.uint8), (0,), CONFIG)
    assert torch.equal(refined, score - CONFIG.lower_road)


def test_nan_stays_and_is_no_road(form: str) -> None:
    score = torch.full((1, 1, 5), -1.0)
    score[0, 0, [0, 2]] = torch.nan
    refined = vde_refine(score, torch.zeros((1, 1, 5), dtype=torch.uint8), (0,), CONFIG)
    assert refined.isnan().tolist() == [[[True, False, True, False, False]]]
    assert (true_road(score[0].numpy(), np.zeros((1, 5)), (0,), 0) == [0, 1, 0, 1, 1]).all()


@pytest.mark.parametrize('as_tensor', [False, True])
def test_other_scales_give_the_same_in_their_units(as_tensor: bool, form: str) -> None:
    score, labels = frame()
    # Powers of two, so that nothing rounds.
    centre, scale = (torch.tensor(-8.0), torch.tensor(4.0)) if as_tensor else (-8.0, 4.0)
    refined = vde_refine(score * 4 - 8, labels, (0,), CONFIG, centre, scale)
    torch.testing.assert_close(refined, vde_refine(score, labels, (0,), CONFIG) * 4 - 8)


@pytest.mark.parametrize('dtype', [torch.float16, torch.float64])
def test_other_float_types(dtype: Any) -> None:
    score, labels = frame()
    score = (score * 8).round() / 8
    refined = vde_refine(score.to(dtype), labels, (0, 1), CONFIG)
    assert refined.dtype == dtype
    assert torch.equal(refined.float(), vde_refine(score, labels, (0, 1), CONFIG))


@pytest.mark.parametrize('bad', [{'road_threshold': np.nan}, {'lower_outside': np.inf}])
def test_config_refuses_what_is_not_finite(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match='must be a finite number, received (nan|inf)'):
        VdeConfig(**bad)


@pytest.mark.parametrize('name', ['raise_hole', 'lower_road', 'lower_outside'])
def test_config_refuses_negative_amounts(name: str) -> None:
    with pytest.raises(ValueError, match=f'{name} of VDE is an amount, 0 or more, received -1'):
        VdeConfig(**{name: -1})


@pytest.mark.parametrize('drivable', [(0,), (0, 1, 5)])
def test_exported_graph_is_exactly_equal(drivable: tuple[int, ...], tmp_path: Path) -> None:
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package)
    from onnxruntime import InferenceSession

    class Module(torch.nn.Module):
        def forward(self, score: Any, labels: Any) -> Any:
            return vde_refine(score, labels, drivable, CONFIG)

    path = tmp_path / 'vde.onnx'
    example = (torch.zeros((2, 6, 11)), torch.zeros((2, 6, 11), dtype=torch.uint8))
    free = {0: torch.export.Dim('n')}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            Module().eval(),
            example,
            str(path),
            dynamo=True,
            opset_version=18,
            input_names=['score', 'labels'],
            dynamic_shapes=(free, free),
            external_data=False,
            verbose=False,
        )
    session = InferenceSession(str(path), providers=['CPUExecutionProvider'])
    for seed, batch in enumerate((1, 2, 5)):
        random = np.random.default_rng(seed)
        score = random.normal(size=(batch, 6, 11)).astype(np.float32)
        score[random.random(score.shape) < 0.05] = np.nan
        labels = random.integers(0, 7, score.shape, np.uint8)
        labels[-1] = 6
        result = session.run(None, {'score': score, 'labels': labels})[0]
        expected = Module()(torch.from_numpy(score), torch.from_numpy(labels))
        np.testing.assert_array_equal(result, expected.numpy())
