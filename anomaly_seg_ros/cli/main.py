# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg``: find the command, import only its module, turn errors into one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anomaly_seg_ros import __version__
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.interrupts import leaving_at_once

if TYPE_CHECKING:
    import argparse

PROGRAM = 'anomaly-seg'
INTERRUPTED = 130
COMMANDS = {
    'demo': 'run the whole chain on a synthetic clip or your own input, and look at the result',
    'detect': 'segment images, a video or a bag and write label, score, mask and overlay files',
    'record': 'write images, a video or a synthetic clip into a bag, with its ground truth',
    'replay': 'play a bag through the detector node and evaluate the results',
    'calibrate': 'take thresholds and class statistics from your own normal drives',
    'export': 'make a bundle of a network and its weights',
    'bench': 'measure the time per frame, as the node spends it',
    'info': 'show what a bundle is, knows and was measured to do',
}
"""Every command, which is also the name of its module, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    A command's module has ``add_arguments(parser)`` and ``run(args) -> int``. It is imported only
    when its command is used, so that help is quick and commands need only their own packages.

    Args:
        arguments: What follows the program's name; None takes the process's own.

    Returns:
        The exit code: 0 done, 1 done but with a negative result, 2 wrong input, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except AnomalySegError as error:
        print(f'{PROGRAM}: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as head, has seen enough; Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    with leaving_at_once(INTERRUPTED):
        parser = _parser(arguments)
    args = parser.parse_args(arguments)
    result: int = args.run(args)
    return result


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    import argparse

    chosen = next((a for a in arguments if not a.startswith('-')), None)
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description='Find what a segmentation network has never been taught.'
    )
    parser.add_argument('--version', action='version', version=f'{PROGRAM} {__version__}')
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    for name, words in COMMANDS.items():
        command = commands.add_parser(
            name, help=words, description=f'{words[0].upper()}{words[1:]}.'
        )
        if name == chosen:
            module = _import(name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _import(name: str) -> Any:
    try:
        return import_module(f'anomaly_seg_ros.cli.{name}')
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split('.')[0] == 'anomaly_seg_ros':
            raise
        msg = f'{PROGRAM} {name} needs the Python package {error.name!r}: install it'
        raise AnomalySegError(msg) from error


if __name__ == '__main__':
    sys.exit(main())
