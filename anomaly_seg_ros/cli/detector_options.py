# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments that say which detector to run, shared by all commands that run one."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.cleanup import CleanupConfig
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.selection import Selection, select


@dataclass(frozen=True)
class DetectorChoice:
    """The detector that a user asked for, checked before anything is started.

    Args:
        bundle: The model.
        selection: Its output, with threshold and display range.
        cleanup: How masks are cleaned.
        threshold: The user's own, None where the bundle's is taken.
        engine: Name of the engine.
        device: Where it runs.
        threads: CPU threads of the engine.
    """

    bundle: Bundle
    selection: Selection
    cleanup: CleanupConfig
    threshold: float | None
    engine: str
    device: str
    threads: int

    def load(self) -> Engine:
        """Load the bundle into the engine.

        Raises:
            AnomalySegError: The engine or the device is unknown or cannot run the bundle.
        """
        return load_engine(self.engine, self.bundle, device=self.device, threads=self.threads)

    def parameters(self) -> dict[str, Any]:
        """Return the same as parameters of the detector node."""
        needed, frames = self.cleanup.persistence
        parameters: dict[str, Any] = {
            'bundle': str(self.bundle.path.absolute()),
            'engine': self.engine,
            'device': self.device,
            'threads': self.threads,
            'score': self.selection.score,
            'refinement': self.selection.refinement,
            'hysteresis': self.cleanup.hysteresis,
            'min_area': self.cleanup.min_area,
            'persistence': f'{needed}/{frames}',
        }
        if self.threshold is not None:
            parameters['threshold'] = self.threshold
        return parameters

    def summary(self) -> dict[str, Any]:
        """Return what belongs beside results, for JSON."""
        needed, frames = self.cleanup.persistence
        return {
            'bundle': self.bundle.card.name,
            'score': self.selection.score,
            'refinement': self.selection.refinement,
            'threshold': self.selection.threshold,
            'hysteresis': self.cleanup.hysteresis,
            'min_area': self.cleanup.min_area,
            'persistence': f'{needed}/{frames}',
        }


def add_detector_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--bundle``, ``--score``, ``--refinement``, ``--threshold`` and their like."""
    group = parser.add_argument_group('which detector')
    group.add_argument(
        '--bundle', default='default', help='bundle folder, default or synboost (default: default)'
    )
    group.add_argument('--engine', default='auto', help='auto, onnxruntime or torch')
    group.add_argument('--device', default='auto', help='auto, cpu, cuda, ...')
    group.add_argument(
        '--threads', type=int, default=0, help='CPU threads of the engine (default: 0, its choice)'
    )
    group.add_argument('--score', default='', help="anomaly score (default: the bundle's)")
    group.add_argument(
        '--refinement',
        default='',
        help="what is done to it, such as sml+suppress+smooth, or none (default: the bundle's)",
    )
    group.add_argument(
        '--threshold',
        type=float,
        help='pixels with a higher score are anomalous (default: what the bundle has for this '
        'score and refinement)',
    )
    cleanup = parser.add_argument_group('what is cleaned out of the mask')
    cleanup.add_argument(
        '--hysteresis',
        type=float,
        default=0.0,
        metavar='SHARE',
        help='grow the mask around pixels above the threshold, this share of the way down to the '
        "low end of the score's range (default: 0)",
    )
    cleanup.add_argument(
        '--min-area',
        type=int,
        default=0,
        metavar='N',
        help='remove regions of fewer pixels (default: 0)',
    )
    cleanup.add_argument(
        '--persistence',
        default='1/1',
        metavar='K/N',
        help='keep regions that were there in K of the last N frames (default: 1/1)',
    )


def chosen_detector(args: argparse.Namespace) -> DetectorChoice:
    """Return the detector that the arguments ask for.

    Raises:
        BundleError: The bundle cannot be used.
        SelectionError: It offers no such score or refinement.
        CleanupError: Masks cannot be cleaned so.
    """
    bundle = Bundle.open(args.bundle)
    selection = select(bundle.card, args.score, args.refinement, args.threshold)
    cleanup = CleanupConfig(
        hysteresis=args.hysteresis,
        min_area=args.min_area,
        persistence=CleanupConfig.parse_persistence(args.persistence),
    )
    if selection.threshold is not None:
        cleanup.low_threshold(selection.threshold, selection.score_range)
    return DetectorChoice(
        bundle, selection, cleanup, args.threshold, args.engine, args.device, args.threads
    )
