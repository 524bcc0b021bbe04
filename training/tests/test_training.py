# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny run from data to bundle, its repetition, its resumption, its errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.files import sha256_file
from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_training import calibrate
from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.data import READERS
from anomaly_seg_training.main import main
from anomaly_seg_training.measure import miou
from anomaly_seg_training.module import MEAN, STD, Distillation
from anomaly_seg_training.resizing import resize_image, resize_labels
from anomaly_seg_training.seeds import markdown as seeds_markdown
from anomaly_seg_training.teacher import Teacher
from anomaly_seg_training.training import Run, train

RECIPE: dict[str, Any] = {
    'name': 'tiny', 'segmenter': 'streetnet', 'teacher': 'erfnet',
    'options': {'widths': [8, 8, 16, 16], 'depths': [1, 1, 1, 1], 'neck': 8, 'head': 8},
    'shares': {'cityscapes': 0.5, 'camvid': 0.2, 'video': 0.2, 'coco': 0.1},
    'reader_options': {'video': {'step': 3}, 'camvid': {'splits': ['train']}},
    'input_size': '128x64', 'crop': '128x64', 'batch': 2, 'steps': 12, 'epoch_steps': 4,
    'learning_rate': 0.01, 'ema': 0.5,
}  # fmt: skip


@pytest.fixture(scope='module', autouse=True)
def _few_clips() -> Iterator[None]:
    """Two generated clips are enough to choose a score by."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrate, 'CLIPS', 2)
        yield


@pytest.fixture(scope='module')
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('teacher') / 'erfnet.pth'
    torch.save(create_segmenter('erfnet', num_classes=20).state_dict(), path)
    return path


def _write_recipe(out: Path, changes: dict[str, object]) -> Path:
    out.mkdir(exist_ok=True)
    (out / 'recipe.yaml').write_text(yaml.safe_dump(RECIPE | changes))
    return out / 'recipe.yaml'


def _run(data: Path, teacher: Path, out: Path, *more: str, **changes: object) -> int:
    """Run the whole command, with the bundle at its end."""
    config = _write_recipe(out, changes)
    return main([
        'train', 'segmenter', '--config', str(config), '--data', str(data), '--teacher',
        str(teacher), '--out', str(out), '--threads', '1', '--accelerator', 'cpu', '--devices',
        '1', *more,
    ])  # fmt: skip


def _train(
    data: Path, teacher: Path, out: Path, changes: dict[str, object] | None = None, **settings: Any
) -> dict[str, torch.Tensor]:
    """Train without making a bundle; return the weights."""
    recipe = SegmenterRecipe.load(_write_recipe(out, changes or {}))
    run = Run(
        data=data, teacher=teacher, out=out, devices='1', accelerator='cpu', threads=1, **settings
    )
    return load_file(train(recipe, run))


@pytest.fixture(scope='module')
def run(data: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('run')
    assert _run(data, teacher, out) == 0
    return out


def test_a_run_ends_with_a_bundle(run: Path) -> None:
    about = json.loads((run / 'run.json').read_text('utf-8'))
    assert about['steps'] == 12
    assert about['images'] == {'cityscapes': 3, 'camvid': 3, 'video': 2, 'coco': 2}
    bundle = Bundle.open(run / 'bundle')
    card = bundle.card
    assert card.name == 'tiny'
    assert str(card.input_size) == '128x64'
    assert card.threshold is not None
    assert card.score in card.scores
    assert card.score_range is not None
    assert card.score_range[0] < card.threshold.value < card.score_range[1]
    assert 0 <= card.measured['cityscapes_mini/val']['miou'] <= 1
    assert card.training['recipe']['steps'] == 12


def test_both_engines_of_the_bundle_agree(run: Path) -> None:
    from anomaly_seg_ros.engines import load_engine

    bundle = Bundle.open(run / 'bundle')
    image = np.random.default_rng(0).integers(0, 256, (1, 70, 150, 3), np.uint8)
    names = ('labels', bundle.card.score)
    first, second = (
        load_engine(name, bundle, device='cpu', threads=1).run(image, names)
        for name in ('torch', 'onnxruntime')
    )
    assert (first['labels'] == second['labels']).mean() > 0.999
    np.testing.assert_allclose(first[names[1]], second[names[1]], atol=1e-3)


def test_weights_are_half_precision_averages(run: Path) -> None:
    weights = load_file(run / 'weights.safetensors')
    assert weights['classifier.weight'].dtype == torch.float16
    state = torch.load(run / 'last.ckpt', weights_only=False)['state_dict']
    average, student = (state[f'{part}.classifier.weight'] for part in ('average', 'student'))
    torch.testing.assert_close(weights['classifier.weight'], average.half())
    assert not torch.equal(average, student)


def test_the_same_seed_gives_the_same_weights(run: Path, data: Path, teacher: Path) -> None:
    first = load_file(run / 'weights.safetensors')
    second = _train(data, teacher, run.parent / 'again')
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_others(run: Path, data: Path, teacher: Path) -> None:
    first = load_file(run / 'weights.safetensors')
    second = _train(data, teacher, run.parent / 'seeded', seed=1)
    assert not torch.equal(first['classifier.weight'], second['classifier.weight'])


def test_a_run_starts_from_weights(run: Path, data: Path, teacher: Path, tmp_path: Path) -> None:
    weights = run / 'weights.safetensors'
    _train(data, teacher, tmp_path / 'second', {'steps': 4}, start=weights)
    found = load_file(tmp_path / 'second' / 'weights.safetensors')
    first, fresh = load_file(weights), _train(data, teacher, tmp_path / 'fresh', {'steps': 4})
    name = 'classifier.weight'
    assert torch.dist(found[name], first[name]) < torch.dist(fresh[name], first[name]) / 2
    start = json.loads((tmp_path / 'second' / 'run.json').read_text('utf-8'))['start']
    assert start['sha256'] == sha256_file(weights)
    assert start['run']['steps'] == 12


def test_a_resumed_run_ends_like_an_unbroken_one(
    run: Path, data: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the third epoch, continued from the checkpoint of the second."""
    out = run.parent / 'resumed'
    real = Distillation.training_step

    def broken(self: Distillation, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        if self.global_step == 9:
            raise ConnectionResetError
        return real(self, batch, index)

    monkeypatch.setattr(Distillation, 'training_step', broken)
    with pytest.raises(ConnectionResetError):
        _train(data, teacher, out)
    monkeypatch.setattr(Distillation, 'training_step', real)
    second = _train(data, teacher, out, resume=True)
    for name, tensor in load_file(run / 'weights.safetensors').items():
        assert torch.equal(tensor, second[name]), name


def test_time_ends_a_run_with_a_whole_schedule(data: Path, teacher: Path, tmp_path: Path) -> None:
    _train(data, teacher, tmp_path, {'steps': 100_000}, max_minutes=0.03)
    about = json.loads((tmp_path / 'run.json').read_text('utf-8'))
    assert 1 <= about['steps'] < 1000
    state = torch.load(tmp_path / 'last.ckpt', weights_only=False)
    rate = state['optimizer_states'][0]['param_groups'][0]['lr']
    # The last step's rate is low on the cosine, unless very few steps took all the time.
    assert about['steps'] < 8 or rate < 0.3 * 0.01


def test_it_learns(data: Path, teacher: Path, tmp_path: Path) -> None:
    """A hundred steps on three frames: most pixels of these frames get their class."""
    weights = _train(
        data, teacher, tmp_path,
        # The frames are a quarter of the size at which Cityscapes is viewed.
        {'steps': 100, 'epoch_steps': 100, 'shares': {'cityscapes': 1.0}, 'scale': [0.2, 0.3],
         'teacher_weight': 0.0, 'feature_weight': 0.0, 'mix_share': 0.0, 'ema': 0.8},
    )  # fmt: skip
    segmenter = create_segmenter('streetnet', num_classes=19, **RECIPE['options']).eval()
    segmenter.load_state_dict(weights)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    for example in READERS.get('cityscapes')(data):
        image = torch.from_numpy(example.image).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            labels = segmenter((image - mean) / std).argmax(1)[0].numpy()
        assert example.labels is not None
        assert (labels == example.labels[2::4, 2::4]).mean() > 0.6


def test_lessons_are_computed_once(run: Path, data: Path, teacher: Path) -> None:
    examples = list(READERS.get('cityscapes')(data))
    second = Teacher('erfnet', teacher, 20, 19, run / 'teacher')
    second.segmenter = None  # type: ignore[assignment]
    lessons = second.lessons(examples)
    assert lessons[0] is not None
    assert lessons[0].logits.shape == (19, 128, 256)
    assert lessons[0].features.shape == (128, 64, 128)


def test_resuming_nothing_is_a_clear_error(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(data, teacher, tmp_path, '--resume') == 2
    error = capsys.readouterr().err
    assert error.startswith('anomaly-seg-lab: error: there is no checkpoint')
    assert error.count('\n') == 1


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'segmenter': 'unet'}, 'unknown segmenter'),
        ({'segmenter': 'erfnet', 'options': {}}, 'set feature_weight to 0'),
        ({'reader_options': {'cityscapes': {'colour': 1}}}, 'reader_options.cityscapes'),
        ({'teacher_classes': 7}, 'known_classes=19, expected 1 to 7'),
    ],
)
def test_user_mistakes_end_with_two(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    changes: dict[str, object], message: str,
) -> None:  # fmt: skip
    assert _run(data, teacher, tmp_path, **({'shares': {'cityscapes': 1.0}} | changes)) == 2
    assert message in capsys.readouterr().err


def test_a_bundle_is_measured_and_tabled(run: Path, data: Path, tmp_path: Path) -> None:
    arguments = ['--bundle', str(run / 'bundle'), '--data', str(data), '--threads', '1']
    assert main(['measure', 'bundle', *arguments, '--out', str(tmp_path / 'figures.json')]) == 0
    content = json.loads((tmp_path / 'figures.json').read_text('utf-8'))
    card = Bundle.open(run / 'bundle').card
    found = content['cityscapes_mini/val']['miou']
    assert found == pytest.approx(card.measured['cityscapes_mini/val']['miou'], abs=1e-4)
    text = (tmp_path / 'figures.md').read_text('utf-8')
    assert f'{100 * found:.1f} %' in text
    assert '| bicycle |' in text


def test_bundles_of_several_seeds_are_measured_together(
    run: Path, data: Path, tmp_path: Path, save: Callable[[Path, np.ndarray], None]
) -> None:
    """Mean and spread are those of the runs; a bundle beside itself has no spread."""
    root = tmp_path / 'data'
    shutil.copytree(data / 'cityscapes_mini', root / 'cityscapes_mini')
    rng = np.random.default_rng(0)
    folder = root / 'road_anomaly_val' / 'RoadAnomaly'
    for name in ('0', '1'):
        target = np.zeros((48, 96), np.uint8)
        target[20:40, 30:60] = 2
        save(folder / 'images' / f'{name}.png', rng.integers(0, 256, (48, 96, 3), np.uint8))
        save(folder / 'labels_masks' / f'{name}.png', target)
    bundle, out = str(run / 'bundle'), tmp_path / 'seeds.json'
    arguments = ['--start', bundle, '--bundle', bundle, '--bundle', bundle, '--data', str(root)]
    arguments += ['--outputs', 'entropy,max_logit+sml', '--threads', '1', '--out', str(out)]
    assert main(['measure', 'seeds', *arguments]) == 0
    content = json.loads(out.read_text('utf-8'))
    text = out.with_suffix('.md').read_text('utf-8')
    assert [one['RoadAnomaly'] for one in content['runs']] == [content['start']['RoadAnomaly']] * 2
    figure = 100 * content['start']['RoadAnomaly']['max_logit+sml']['ap']
    assert f'| {figure:.2f} ± 0.00 ({figure:.2f}) |' in text
    content['runs'][1]['RoadAnomaly']['max_logit+sml']['ap'] = figure / 100 - 0.02
    assert f'| {figure - 1:.2f} ± 1.41 ({figure:.2f}) |' in seeds_markdown(content)
    assert main(['measure', 'seeds', *arguments, '--outputs', 'max_logit+smooth']) == 2
    assert 'pasted' not in text
    for one, ap in zip(content['runs'], (0.3, 0.5), strict=True):
        found = {'energy': {'auroc': 0.9, 'ap': ap, 'fpr95': 0.25}}
        one['training']['validation'] = [{'step': 40, 'miou': 0.5, **found}]
    assert '| 40 | 40.00 ± 14.14 / 25.00 ± 0.00 |' in seeds_markdown(content)


def test_figures_against_sets_of_pixels(run: Path, data: Path) -> None:
    from anomaly_seg_ros.engines import load_engine

    bundle = Bundle.open(run / 'bundle')
    engine = load_engine('onnxruntime', bundle, device='cpu', threads=1)
    size = Size(96, 48)
    together: dict[int, list[int]] = {}
    means = []
    for example in READERS.get('cityscapes')(data, split='val'):
        assert example.labels is not None
        image = resize_image(example.image, size)
        target = resize_labels(example.labels, size)
        labels = engine.run(image[None], ('labels',))['labels'][0]
        single = []
        for c in range(19):
            both = int(((labels == c) & (target == c)).sum())
            either = int((((labels == c) & (target != 255)) | (target == c)).sum())
            together.setdefault(c, [0, 0])
            together[c] = [together[c][0] + both, together[c][1] + either]
            if (target == c).any():
                single.append(both / either)
        means.append(sum(single) / len(single))
    expected = [both / either for both, either in together.values() if either]
    result, per_image = miou(engine, READERS.get('cityscapes')(data, split='val'), size)
    assert result.miou == pytest.approx(sum(expected) / len(expected))
    assert per_image == pytest.approx(sum(means) / 3)
