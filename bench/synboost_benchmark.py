# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each stage of SynBoost costs, and the frames per second of the whole.

    python bench/synboost_benchmark.py --preset light --size 512x256 --threads 2
    python bench/synboost_benchmark.py --preset full --size 2048x1024 --device cuda --half
    python bench/synboost_benchmark.py --bundle BUNDLE --size 512x256 --threads 2
    python bench/synboost_benchmark.py --preset full --export full.onnx

Presets are built from the recipes with random weights, which changes no cost. In every round the
whole detector and all stages run in turn on the same image; times are medians of wall clock, on a
GPU after synchronisation. `whole` is timed by itself and not the sum of the stages.

With --export nothing is timed: the detector is written as one graph and compared with PyTorch at
its own sizes, and a difference ends with an error.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from anomaly_seg_ros.bundle import Bundle, Preprocessing, ResynthesisSpec
from anomaly_seg_ros.detector import ResynthesisDetector, create_detector, export
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_ros.models.resynthesis import Resynthesis
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.size import Size

CLASSES = 19
PRESETS: dict[str, dict[str, Any]] = {
    'light': {
        'segmenter': 'litenet', 'input_size': '1024x512', 'synthesis_size': '256x128',
        'generator': 'spade',
        'generator_options': {'channels': 8, 'hidden': 16, 'most': 16, 'norm': 'instance'},
        'perceptual_options': {'depth': 16, 'tap': 'last', 'levels': 4, 'width': 0.125},
        'dissimilarity_options': {'width': 0.125, 'hidden': 128},
    },
    'full': {
        'segmenter': 'erfnet', 'input_size': '1024x512', 'generator': 'ccfpse',
        'generator_options': {'channels': 64, 'guides': 64, 'most': 16, 'styles': 256},
        'perceptual_options': {'depth': 19, 'tap': 'first', 'levels': 5},
        'dissimilarity_options': {},
    },
    'full-spade': {
        'segmenter': 'erfnet', 'input_size': '1024x512', 'generator': 'spade',
        'generator_options': {'channels': 64, 'hidden': 128},
        'perceptual_options': {'depth': 19, 'tap': 'first', 'levels': 5},
        'dissimilarity_options': {},
    },
}  # fmt: skip
"""As recipes have them; synthesis and dissimilarity at 512x256 unless said otherwise."""


def preset(name: str, segmenter_size: Size | None = None) -> ResynthesisDetector:
    """Build a detector with random weights, its segmenter perhaps at another size."""
    torch.manual_seed(0)
    options = dict(PRESETS[name])
    segmenter = create_segmenter(options.pop('segmenter'), num_classes=CLASSES)
    size = Size.parse(options.pop('input_size'))
    size = size if segmenter_size is None else segmenter_size
    drawn = Size.parse(options.pop('synthesis_size', '512x256'))
    spec = ResynthesisSpec(CLASSES, drawn, Size(512, 256), **options)
    return ResynthesisDetector(segmenter, Resynthesis(spec), Preprocessing(), size)


def load(args: argparse.Namespace) -> ResynthesisDetector:
    """Return the detector that the arguments name, on its device."""
    own = None if args.segmenter_size is None else Size.parse(args.segmenter_size)
    detector = preset(args.preset, own)
    if args.bundle:
        opened = create_detector(Bundle.open(args.bundle))
        if not isinstance(opened, ResynthesisDetector):
            msg = f'{args.bundle} holds no re-synthesis detector: pass a bundle of SynBoost'
            raise AnomalySegError(msg)
        detector = opened
    return detector.eval().to(args.device)


def stages(detector: ResynthesisDetector, image: torch.Tensor) -> dict[str, Callable[[], Any]]:
    """Return what is timed, each with inputs that are made before."""
    framework = detector.resynthesis
    pixels = detector.preprocess(image)
    labels = detector.run(image, ('labels',))['labels'][:, None]
    synthesis = framework.spec.synthesis_size.shape
    small = torch.nn.functional.interpolate(labels, synthesis, mode='nearest')[:, 0]
    maps = detector.maps(image)
    original = torch.nn.functional.interpolate(maps.original, synthesis)
    drawn = framework.synthesise(small, original)
    return {
        'whole': lambda: detector.run(image, ('labels', 'synboost')),
        'preprocessing and segmenter': lambda: detector.segmenter(detector.preprocess(image)),
        'segmenter': lambda: detector.segmenter(pixels),
        'synthesis': lambda: framework.synthesise(small, original),
        'perceptual difference': lambda: framework.difference(original, drawn),
        'dissimilarity network': lambda: framework.network(maps),
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return milliseconds per stage and frames per second."""
    detector, size = load(args), Size.parse(args.size)
    image = torch.randint(0, 256, (1, *size.shape, 3), dtype=torch.uint8, device=args.device)
    cuda = args.device == 'cuda'
    times: dict[str, list[float]] = {}
    half = torch.autocast(args.device, torch.float16 if cuda else torch.bfloat16, args.half)
    with torch.inference_mode(), half:
        actions = stages(detector, image)
        for number in range(-args.warm_up, args.rounds):
            for name, action in actions.items():
                if cuda:
                    torch.cuda.synchronize()
                start = time.perf_counter()
                action()
                if cuda:
                    torch.cuda.synchronize()
                if number >= 0:
                    times.setdefault(name, []).append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        'milliseconds': {name: round(1000 * value, 2) for name, value in medians.items()},
        'frames_per_second': round(1 / medians['whole'], 2),
        'parameters': {
            name: sum(p.numel() for p in part.parameters())
            for name, part in (
                ('segmenter', detector.segmenter),
                ('generator', detector.resynthesis.generator),
                ('perceptual', detector.resynthesis.perceptual),
                ('dissimilarity', detector.resynthesis.dissimilarity),
            )
        },
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--preset', choices=tuple(PRESETS), default='light')
    parser.add_argument('--bundle', help='instead of a preset')
    parser.add_argument('--size', default='512x256', help='of the image')
    parser.add_argument('--segmenter-size', help="WIDTHxHEIGHT, instead of the preset's")
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--half', action='store_true', help='half precision')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--warm-up', type=int, default=2)
    parser.add_argument('--json', type=Path)
    parser.add_argument('--export', type=Path, help='write one ONNX file instead of timing')
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    if args.export:
        export(load(args), args.export)
        print(f'{args.export}: {args.export.stat().st_size / 1e6:.0f} MB, as PyTorch computes')
        return 0
    content = {
        'preset': None if args.bundle else args.preset, 'bundle': args.bundle,
        'segmenter_size': args.segmenter_size, 'size': args.size,
        'device': torch.cuda.get_device_name() if args.device == 'cuda' else 'cpu',
        'half': args.half, 'threads': args.threads, **measure(args),
        'provenance': provenance(arguments),
    }  # fmt: skip
    print(json.dumps(content, indent=2))
    if args.json:
        write_json(args.json, content)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
