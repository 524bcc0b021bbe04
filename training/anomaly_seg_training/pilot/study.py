# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Seeds by arms: start, synthetic unknowns, fine-tunings, figures; every step is done once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from anomaly_seg_ros.bundle import Preprocessing, SegmenterSpec
from anomaly_seg_ros.files import atomic_path, sha256_file, write_json
from anomaly_seg_ros.models import create_segmenter, load_weights
from anomaly_seg_ros.size import Size
from anomaly_seg_training.benchmark import BenchmarkSet, open_benchmark
from anomaly_seg_training.benchmark.held_out import hold_out
from anomaly_seg_training.class_names import class_set
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.finetuning import FinetuneRun, finetune
from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.frames import FrameSource
from anomaly_seg_training.mgu.generate import generate
from anomaly_seg_training.mgu.generation import Generation
from anomaly_seg_training.module import MEAN, STD
from anomaly_seg_training.pilot.measure import measure
from anomaly_seg_training.pilot.recipe import MGU, SOURCE, START, Arm, PilotRecipe
from anomaly_seg_training.pretrained import encoder_parts
from anomaly_seg_training.recalibrate import photographs, recalibrate
from anomaly_seg_training.run_settings import CHECKPOINT
from anomaly_seg_training.training import WEIGHTS, Run, train

_STATE = 'recipe.json'
_RESULT = 'result.json'
_DONE = 'done'


@dataclass(frozen=True, kw_only=True)
class ArmRun(FinetuneRun):
    """A fine-tuning that begins with a segmenter in memory.

    Args:
        start: It is changed in place.
    """

    start: Start

    def load_start(self, recipe: FinetuneRecipe) -> Start:
        """Return the segmenter."""
        del recipe
        return self.start


@dataclass(frozen=True)
class Study:
    """A pilot study.

    Args:
        recipe: What is done.
        data: Folder of the data sets.
        out: Folder of everything that is made; a killed study goes on there.
        threads: CPU threads; 0 leaves torch's choice.
        device: ``cpu`` or ``cuda``.
        workers: Loader processes.
    """

    recipe: PilotRecipe
    data: Path
    out: Path
    threads: int = 0
    device: str = 'cpu'
    workers: int = 0

    def run(self, seeds: Sequence[int], arms: Sequence[str] | None = None) -> dict[str, Any]:
        """Do what is not done yet, and return the figures of all that is.

        Args:
            seeds: Of weights, crops and chosen frames.
            arms: Names; None for all.

        Raises:
            AnomalySegError: The data or the recipe cannot be used, `out` is another recipe's, or a
                training fails.
        """
        known = {arm.name: arm for arm in self.recipe.all_arms()}
        strange = [name for name in arms or () if name not in known]
        if strange:
            msg = f'received the arm {strange[0]!r}, expected some of: {", ".join(known)}'
            raise LabError(msg)
        self._claim()
        train_set, test_set = self._set(self.recipe.train), self._set(self.recipe.test)
        classes = list(test_set.meaning.classes)
        if classes != list(train_set.meaning.classes):
            msg = (
                f'{train_set.name} has the classes {", ".join(train_set.meaning.classes)}, '
                f'{test_set.name} {", ".join(classes)}: expected the same'
            )
            raise LabError(msg)
        for name, subset in self.recipe.subsets.items():
            for entry in subset:
                if entry not in classes:
                    msg = (
                        f'the subset {name} has {entry!r}, expected some of: {", ".join(classes)}'
                    )
                    raise LabError(msg)
        test_set.items[0].read()
        for seed in seeds:
            for name in arms or known:
                self._arm(seed, known[name], classes, test_set)
        return self.collect(classes, test_set)

    def collect(self, classes: list[str], test_set: BenchmarkSet) -> dict[str, Any]:
        """Return the figures of all seeds and arms that are done."""
        results = [
            json.loads(path.read_text('utf-8'))
            for path in sorted(self.out.glob(f'seed-*/*/{_RESULT}'))
        ]
        order = list(self.recipe.arms)
        results = [entry for entry in results if entry['arm'] in order]
        results.sort(key=lambda entry: (order.index(entry['arm']), entry['seed']))
        return {
            'kind': 'pilot',
            'recipe': self.recipe.as_dict(),
            'classes': classes,
            'test': {
                'set': test_set.name, 'version': test_set.version, 'images': len(test_set),
                'every': self.recipe.steps[1], 'notes': list(test_set.notes),
            },
            'results': results,
        }  # fmt: skip

    def _claim(self) -> None:
        path = self.out / _STATE
        now = self.recipe.as_dict()
        if path.is_file():
            before = json.loads(path.read_text('utf-8'))
            # Other arms may come; what is there depends on everything else.
            changed = [key for key in now if key != 'arms' and before.get(key) != now[key]]
            changed += [
                f'arm {name}'
                for name, content in before.get('arms', {}).items()
                if name in now['arms'] and now['arms'][name] != content
            ]
            if changed:
                msg = (
                    f'{self.out} is of a recipe with another {", ".join(changed)}: go on with '
                    'that recipe or take another --work'
                )
                raise LabError(msg)
        write_json(path, now)

    def _set(self, name: str) -> BenchmarkSet:
        recipe = self.recipe
        found = {s.name: s for s in open_benchmark(recipe.dataset, self._root())}
        if name not in found:
            msg = f'{recipe.dataset} has no set {name!r}, expected one of: {", ".join(found)}'
            raise LabError(msg)
        return hold_out(found[name], recipe.hold_out)

    def _root(self) -> Path:
        return self.data / (self.recipe.path or self.recipe.dataset)

    def _arm(self, seed: int, arm: Arm, classes: list[str], test_set: BenchmarkSet) -> None:
        folder = self.out / f'seed-{seed}' / arm.name
        if (folder / _RESULT).is_file():
            return
        start = self._start(seed, classes)
        if arm.unknown != START:
            generated = self.out / f'seed-{seed}' / MGU
            if arm.unknown == MGU:
                self._generate(seed, start, generated)
                start = self._start(seed, classes)
            recipe = self.recipe.finetuning(arm, str(generated.resolve()))
            self._once(
                folder / 'run',
                lambda resume: finetune(
                    recipe,
                    ArmRun(start=start, resume=resume, **self._settings(folder / 'run', seed)),
                ),
            )
            start = self._loaded(folder / 'run' / WEIGHTS, classes)
        recipe_ = self.recipe
        taught = list(recipe_.subsets.get(arm.unknown, []))
        start.network.to(self.device)
        figures = measure(
            start, test_set, Size.parse(recipe_.view), recipe_.steps[1], taught,
            recipe_.thresholds,
        )  # fmt: skip
        if figures['ap'] is None:
            msg = f'{test_set.name} shows no anomaly beside normal pixels: hold out other classes'
            raise LabError(msg)
        write_json(
            folder / _RESULT, {'seed': seed, 'arm': arm.name, 'unknown': arm.unknown, **figures}
        )
        print(
            f'seed {seed} {arm.name}: AP {figures["ap"]:.4f} AUROC {figures["auroc"]:.4f} '
            f'FPR95 {figures["fpr95"]:.4f} mIoU {figures["miou"]:.4f}',
            flush=True,
        )

    def _start(self, seed: int, classes: list[str]) -> Start:
        folder = self.out / f'seed-{seed}' / START
        recipe = self.recipe.start_recipe(classes)
        weights = folder / 'run' / WEIGHTS

        def first(resume: bool) -> None:
            train(recipe, Run(resume=resume, **self._settings(folder / 'run', seed)))

        self._once(folder / 'run', first)
        final = folder / WEIGHTS
        if not final.is_file():
            # Averaged weights want statistics of their own, as an export takes them.
            start = self._loaded(weights, classes)
            size = Size.parse(recipe.input_size)
            kept = encoder_parts(start.network) if recipe.encoder else []
            shown = photographs(recipe, self.data)
            recalibrate(start.network, shown, start.preprocessing, size, kept)
            with atomic_path(final) as temporary:
                state = {k: v.contiguous() for k, v in start.network.state_dict().items()}
                save_file(state, temporary)
        return self._loaded(final, classes)

    def _loaded(self, weights: Path, classes: list[str]) -> Start:
        recipe = self.recipe.start_recipe(classes)
        network = create_segmenter(
            recipe.segmenter, num_classes=len(classes), **recipe.options
        ).eval()
        load_weights(network, weights)
        return Start(
            network, SegmenterSpec(recipe.segmenter, dict(recipe.options)),
            Preprocessing(MEAN, STD), class_set(classes),
            {'checkpoint': weights.name, 'sha256': sha256_file(weights)},
        )  # fmt: skip

    def _generate(self, seed: int, start: Start, out: Path) -> None:
        config, counts = self.recipe.generation()
        source = FrameSource(
            self.data, SOURCE, self.recipe.reader(self.recipe.steps[0]), {},
            Size.parse(self.recipe.view), 1.0,
        )  # fmt: skip
        generate(
            start,
            Generation(
                source,
                config,
                counts.get('per_class', Generation.per_class),
                min_pixels=counts.get('min_pixels', Generation.min_pixels),
                seed=seed,
                device=self.device,
            ),
            out,
        )

    def _once(self, folder: Path, action: Callable[[bool], Any]) -> None:
        """Do what trains unless it is done; go on from its checkpoint if there is one."""
        if (folder / _DONE).is_file():
            return
        action((folder / CHECKPOINT).is_file())
        (folder / _DONE).touch()

    def _settings(self, out: Path, seed: int) -> dict[str, Any]:
        return {
            'data': self.data, 'out': out, 'seed': seed, 'threads': self.threads, 'devices': '1',
            'accelerator': 'gpu' if self.device == 'cuda' else 'cpu', 'workers': self.workers,
        }  # fmt: skip
