# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sets and models that results were taken with, found again among what a user names."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.size import Size
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.evaluation import (
    EvaluationSet,
    Model,
    ModelOptions,
    bag_set,
    benchmark_sets,
    load_model,
)


class Inputs:
    """What ``report`` is given beside results.

    Args:
        arguments: ``root``, ``dataset``, ``bag``, ``topic``, ``bundle``, ``checkpoint``,
            ``segmenter``, ``option``, ``fusion``, ``engine``, ``device``, ``threads``.
        files: The results.
        place: A folder for what is made on the way.

    Raises:
        KeyError: There is no data set of that name.
        AnomalySegError: A folder or a bag cannot be opened.
    """

    def __init__(
        self, arguments: argparse.Namespace, files: Sequence[Mapping[str, Any]], place: Path
    ) -> None:
        self._arguments = arguments
        self._place = place
        self._sets = [bag_set(bag, arguments.topic) for bag in arguments.bag]
        for root in arguments.root:
            self._sets += _sets_below(root, arguments.dataset, files)

    def set_of(self, row: Mapping[str, Any]) -> EvaluationSet:
        """Return the set of a result.

        Raises:
            LabError: None of its name is there, or it holds other files than were measured.
        """
        named = [found for found in self._sets if found.name == row['set']]
        same = [found for found in named if found.version == row['set_version']]
        if same:
            return same[0]
        if named:
            msg = (
                f'the set {row["set"]} has version {named[0].version[:12]} here and '
                f'{row["set_version"][:12]} in the results: its files are not those measured'
            )
            raise LabError(msg)
        msg = f'there is no set {row["set"]!r} in what --root and --bag name'
        raise LabError(msg)

    def model_of(self, row: Mapping[str, Any], content: Mapping[str, Any]) -> Model:
        """Load the model of a result, as it was run.

        Args:
            row: The result.
            content: The file it is from.

        Raises:
            LabError: No bundle that was named has its files.
            AnomalySegError: The bundle or the fusion cannot be used.
        """
        described = [found for found in content['models'] if found['hash'] == row['model_hash']]
        if not described:
            msg = f'the results do not describe the model {row["bundle"]}'
            raise LabError(msg)
        for path in self._bundles(described[0]):
            card = Bundle.open(path).card
            if described[0]['files'] not in (None, dict(card.hashes)):
                continue
            model = load_model(path, self._options(row, described[0], card.input_size))
            if model.hash == row['model_hash']:
                return model
            model.engine.close()
        msg = (
            f'no --bundle or --checkpoint is the model {row["bundle"]} of the results, hash '
            f'{row["model_hash"][:12]}: weights, preprocessing, statistics must be those measured'
        )
        raise LabError(msg)

    @contextmanager
    def closing(self, model: Model) -> Iterator[None]:
        """Free the model's engine at the end."""
        try:
            yield
        finally:
            model.engine.close()

    def _bundles(self, described: Mapping[str, Any]) -> list[str]:
        paths = list(self._arguments.bundle)
        if self._arguments.checkpoint is not None:
            from anomaly_seg_ros.cli.export import parse_options
            from anomaly_seg_training.evaluation.checkpoint import checkpoint_bundle

            size = Size.parse(described['network_size'])
            folder = self._place / str(size)
            if not (folder / 'bundle').is_dir():
                checkpoint_bundle(
                    self._arguments.checkpoint, self._arguments.segmenter,
                    parse_options(self._arguments.option), size, folder,
                )  # fmt: skip
            paths.append(str(folder / 'bundle'))
        return paths

    def _options(
        self, row: Mapping[str, Any], described: Mapping[str, Any], card_size: Size
    ) -> ModelOptions:
        size = Size.parse(described['network_size'])
        return ModelOptions(
            scores=(row['score'],),
            refinements=(row['refinement'],),
            engine=self._arguments.engine,
            device=self._arguments.device,
            threads=self._arguments.threads,
            network_size=None if size == card_size else size,
            flip=bool(described['flip']),
            zooms=tuple(described['zooms'] or (1.0,)),
            fusion=None if described['fusion'] is None else self._arguments.fusion,
        )


def _sets_below(
    root: Path, dataset: str | None, files: Sequence[Mapping[str, Any]]
) -> list[EvaluationSet]:
    """Open a data set by the name given, or by those that the files name."""
    names = [dataset] if dataset else list(
        dict.fromkeys(content['dataset'] for content in files if content['dataset'])
    )  # fmt: skip
    if not names:
        msg = 'the results do not name their data set: give --dataset'
        raise LabError(msg)
    wanted = {row['set'] for content in files for row in content['results']}
    failure: AnomalySegError | None = None
    for name in names:
        try:
            every = {found.name: found for found in _all_sets(name, root)}
        except AnomalySegError as error:
            failure = error
            continue
        found = [every[one] for one in every if one in wanted]
        if found:
            return found
    if failure is not None:
        raise failure
    msg = f'{root} holds none of the sets of the results: {", ".join(sorted(wanted))}'
    raise LabError(msg)


def _all_sets(name: str, root: Path) -> list[EvaluationSet]:
    from anomaly_seg_training.benchmark import open_benchmark

    return benchmark_sets(name, root, [found.name for found in open_benchmark(name, root)])
