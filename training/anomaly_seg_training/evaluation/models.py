# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The models that are measured: a bundle on an engine, and which of its outputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.engines.augmented import AugmentedEngine
from anomaly_seg_ros.engines.fused import FUSED, FusedEngine
from anomaly_seg_ros.fusion import Fusion
from anomaly_seg_ros.refinement.names import NONE, needs_statistics, output_name
from anomaly_seg_ros.selection import select
from anomaly_seg_ros.size import Size
from anomaly_seg_training.card_training import card_training
from anomaly_seg_training.errors import LabError

ALL = 'all'


@dataclass(frozen=True)
class ModelOptions:
    """How bundles are run and what is asked of them.

    Args:
        scores: Names of scores; None takes all of each bundle.
        refinements: Names of refinements; None takes those of each bundle that it can run.
        engine: Name of the engine.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: Threads inside operators; 0 = all cores.
        network_size: Size at which the network runs instead of the card's; the engine torch only.
        flip: Average scores with those of the mirrored image.
        zooms: Average scores over these zooms, see `AugmentedEngine`.
        fusion: Offers the score ``fused`` of this fusion.
    """

    scores: tuple[str, ...] | None = None
    refinements: tuple[str, ...] | None = (NONE,)
    engine: str = 'auto'
    device: str = 'auto'
    threads: int = 0
    network_size: Size | None = None
    flip: bool = False
    zooms: tuple[float, ...] = (1.0,)
    fusion: Path | None = None


@dataclass(frozen=True)
class Model:
    """A loaded bundle and the outputs that are measured of it.

    Args:
        name: As results name it.
        engine: Runs it.
        outputs: (score, refinement) of each output, by the output's name.
        description: What stored results say of it.
    """

    name: str
    engine: Engine
    outputs: dict[str, tuple[str, str]]
    description: dict[str, Any]

    @property
    def hash(self) -> str:
        """SHA-256 of everything that its scores depend on."""
        return str(self.description['hash'])


def load_model(path: str, options: ModelOptions, name: str | None = None) -> Model:
    """Open a bundle and load it into its engine.

    Args:
        path: Its folder, or ``default``.
        options: How it is run.
        name: As results name it; None for the card's name.

    Raises:
        AnomalySegError: The bundle cannot be used, or does not offer a score or a refinement.
    """
    bundle = Bundle.open(path)
    if options.network_size is not None:
        engines = ('torch', 'auto') if bundle.card.graph is None else ('torch',)
        if options.engine not in engines:
            msg = (
                f'received the network size {options.network_size} for the engine '
                f'{options.engine}, expected --engine torch: an exported graph has one size'
            )
            raise LabError(msg)
        bundle = Bundle(bundle.path, replace(bundle.card, input_size=options.network_size))
    engine = load_engine(options.engine, bundle, device=options.device, threads=options.threads)
    if options.flip or options.zooms != (1.0,):
        engine = AugmentedEngine(engine, flip=options.flip, zooms=options.zooms)
    fusion = None if options.fusion is None else Fusion.load(options.fusion)
    if fusion is not None:
        engine = FusedEngine(engine, fusion)
    outputs = _outputs(engine, options)
    card = engine.card
    description: dict[str, Any] = {
        'bundle': name or card.name,
        'engine': engine.name,
        'device': engine.device,
        'network_size': str(card.input_size),
        'flip': options.flip,
        'zooms': list(options.zooms),
        'fusion': None if fusion is None else _fusion(fusion),
        'files': card.hashes,
    }
    description['hash'] = _hash(bundle, description)
    description['training'] = card_training(card)
    if card.shrinkage:
        description['shrinkage'] = card.shrinkage.as_dict()
    return Model(name or card.name, engine, outputs, description)


def load_models(paths: Sequence[str], options: ModelOptions) -> list[Model]:
    """Load several bundles; those of one name are told apart by the number of their place."""
    models: list[Model] = []
    for path in paths:
        card = Bundle.open(path).card
        taken = sum(model.name.partition('#')[0] == card.name for model in models)
        name = f'{card.name}#{taken + 1}' if taken else card.name
        models.append(load_model(path, options, name))
    return models


def _outputs(engine: Engine, options: ModelOptions) -> dict[str, tuple[str, str]]:
    """Return what is measured; nothing that the bundle does not offer is passed over silently."""
    card = engine.card
    found: dict[str, tuple[str, str]] = {}
    for score in card.scores if options.scores is None else options.scores:
        refinements = options.refinements
        if score == FUSED:
            # What it is made of may be refined already.
            refinements = (NONE,)
        elif refinements is None:
            refinements = tuple(
                refinement
                for refinement in card.refinements
                if score in (card.statistics or {})
                or not needs_statistics(output_name(score, refinement))
            )
        for refinement in refinements:
            found[select(card, score, refinement).output] = (score, refinement)
    return found


def _fusion(fusion: Fusion) -> dict[str, Any]:
    text = json.dumps(fusion.to_json(), sort_keys=True)
    return {'name': fusion.name, 'sha256': hashlib.sha256(text.encode()).hexdigest()}


def _hash(bundle: Bundle, description: dict[str, Any]) -> str:
    """Hash the files and what of the card changes scores; thresholds do not."""
    card = bundle.card.to_json()
    keys = ('segmenter', 'classes', 'preprocessing', 'input_size', 'statistics', 'hashes')
    # Most cards have no such keys, and their hashes stay what they were.
    content = {key: card[key] for key in (*keys, 'resynthesis', 'shrinkage') if key in card}
    content['run'] = {key: description[key] for key in ('flip', 'zooms', 'fusion')}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
