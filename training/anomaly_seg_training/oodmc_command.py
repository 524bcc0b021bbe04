# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's commands for OODMC: ``fit oodmc`` and ``measure oodmc``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_seg_ros.provenance import provenance
from anomaly_seg_training import PROGRAM

if TYPE_CHECKING:
    from anomaly_seg_ros.oodmc import Sampling
    from anomaly_seg_training.oodmc_fit import Network


def add_fit(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``oodmc`` to the parsers of ``fit``."""
    parser = kinds.add_parser(
        'oodmc', help='fit the classifier of stochastic moments on void pixels and pasted objects'
    )
    _add_common(parser)
    parser.add_argument('--out', type=Path, required=True, help='folder for the fitted OODMC')
    parser.add_argument(
        '--samples', type=int, default=128,
        help='stochastic forwards, 0: exact moments (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument('--order', type=int, default=4, help='1 to 4 (default: %(default)s)')
    parser.add_argument(
        '--classifier', default='linear', choices=('linear', 'nystroem', 'fourier'),
        help='linear support vector machine on features or on a kernel (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--softmax', action='store_true', help="moments of probabilities, as in the paper's code"
    )
    parser.add_argument(
        '--raw-moments', action='store_true', help='without the n-th root of the n-th moment'
    )
    parser.add_argument(
        '--moment-weight', type=float, default=0.5, help='0: entropy alone (default: %(default)s)'
    )
    parser.add_argument(
        '--naive', action='store_true', help='run the whole network for each sample'
    )
    parser.add_argument(
        '--batch-norm-in-training', action='store_true',
        help="batch norm in training mode too, as the paper's code; implies --naive",
    )  # fmt: skip
    parser.set_defaults(run=_fit)


def add_measure(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``oodmc`` to the parsers of ``measure``."""
    parser = kinds.add_parser(
        'oodmc', help='OODMC against entropy and max logit on road-anomaly sets'
    )
    _add_common(parser)
    parser.add_argument(
        '--out', type=Path, required=True, help='the .json file; a table .md is written beside it'
    )
    parser.add_argument(
        '--samples', type=int, nargs='+', default=(16, 64, 128), help='ascending numbers'
    )
    parser.add_argument(
        '--step', type=int, default=2, help='every so many images (default: %(default)s)'
    )
    parser.set_defaults(run=_measure)


def _add_common(parser: argparse.ArgumentParser) -> None:
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument('--bundle', help='a bundle with weights, or default')
    network.add_argument('--checkpoint', type=Path, help='an ERFNet state dict instead')
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument(
        '--layers', nargs='+', default=(), metavar='LAYER',
        help='active dropout layers, or all (default: those that leave least to repeat)',
    )  # fmt: skip
    parser.add_argument('--rate', type=float, help="dropout rate (default: the layers' own)")
    parser.add_argument(
        '--whole', action='store_true', help='no coarse forwards of the part that is repeated'
    )
    parser.add_argument(
        '--pixels', type=int, default=2000, help='of each kind per image (default: %(default)s)'
    )
    parser.add_argument(
        '--regularisation', type=float, default=1.0, help='C of the machine (default: %(default)s)'
    )
    parser.add_argument('--without-void', action='store_true', help='no void pixels')
    parser.add_argument('--without-proxies', action='store_true', help='no pasted objects')
    parser.add_argument('--threads', type=int, default=0, help="CPU threads (0: torch's own)")


def _open(arguments: argparse.Namespace) -> Network:
    import torch

    from anomaly_seg_ros.bundle import Bundle
    from anomaly_seg_training.oodmc_fit import Network

    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    if arguments.checkpoint is not None:
        return Network.of_checkpoint(arguments.checkpoint)
    return Network.of_bundle(Bundle.open(arguments.bundle))


def _sampling(arguments: argparse.Namespace, network: Network, samples: int) -> Sampling:
    from anomaly_seg_training.oodmc_fit import default_sampling

    return default_sampling(
        network, samples=samples, layers=arguments.layers, rate=arguments.rate,
        seed=arguments.seed, whole=arguments.whole,
    )  # fmt: skip


def _fit(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from anomaly_seg_ros.oodmc import FeatureSpec
    from anomaly_seg_training.oodmc_examples import fit_examples
    from anomaly_seg_training.oodmc_fit import fit, with_origin

    spec = FeatureSpec(
        arguments.order, arguments.softmax, not arguments.raw_moments, arguments.moment_weight
    )
    network = _open(arguments)
    sampling = replace(
        _sampling(arguments, network, arguments.samples),
        naive=arguments.naive,
        batch_norm_in_training=arguments.batch_norm_in_training,
    )
    examples = fit_examples(
        arguments.data, seed=arguments.seed, void=not arguments.without_void,
        proxies=not arguments.without_proxies,
    )  # fmt: skip
    model = fit(
        network, sampling, spec, examples, kind=arguments.classifier, pixels=arguments.pixels,
        seed=arguments.seed, regularisation=arguments.regularisation,
    )  # fmt: skip
    model = with_origin(model, {'provenance': provenance(seed=arguments.seed, program=PROGRAM)})
    model.save(arguments.out)
    print(f'{arguments.out}: held-out images {model.fitted["held_out"]}')


def _measure(arguments: argparse.Namespace) -> None:
    from anomaly_seg_ros.files import write_json, write_text
    from anomaly_seg_training.errors import LabError
    from anomaly_seg_training.oodmc_table import compare, table

    counts = tuple(arguments.samples)
    if list(counts) != sorted(set(counts)) or counts[0] < 1 or arguments.step < 1:
        msg = (
            f'received the samples {counts} and the step {arguments.step}, expected ascending '
            'numbers of samples from 1 and a step of 1 or more'
        )
        raise LabError(msg)
    origin = provenance(seed=arguments.seed, program=PROGRAM)
    network = _open(arguments)
    content = compare(
        network, _sampling(arguments, network, counts[-1]), arguments.data, counts=counts,
        step=arguments.step, void=not arguments.without_void,
        proxies=not arguments.without_proxies, seed=arguments.seed,
        regularisation=arguments.regularisation, pixels=arguments.pixels,
    )  # fmt: skip
    content['provenance'] = origin
    text = table(content)
    write_json(arguments.out, content)
    write_text(arguments.out.with_suffix('.md'), text)
    print(text)
