# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The program as a whole: commands, help, errors, what is imported when."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from anomaly_seg_ros import __version__
from anomaly_seg_ros.cli import main as program
from anomaly_seg_ros.cli.main import COMMANDS, main
from anomaly_seg_ros.errors import AnomalySegError


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-c', code, *arguments], capture_output=True, text=True, timeout=120
    )


def test_every_command_has_its_module() -> None:
    folder = Path(program.__file__).parent
    for name in COMMANDS:
        assert (folder / f'{name}.py').is_file()


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, '--help'])
    assert stop.value.code == 0
    assert f'usage: anomaly-seg {name}' in capsys.readouterr().out
    module = import_module(f'anomaly_seg_ros.cli.{name}')
    assert callable(module.run)
    assert callable(module.add_arguments)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(['--help'])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    with pytest.raises(SystemExit):
        main(['--version'])
    assert capsys.readouterr().out == f'anomaly-seg {__version__}\n'


def test_help_imports_nothing_heavy() -> None:
    code = (
        'import sys\n'
        'from anomaly_seg_ros.cli.main import main\n'
        'try: main(["--help"])\n'
        'except SystemExit: pass\n'
        'heavy = {"torch", "onnxruntime", "cv2", "numpy", "rclpy", "rosbags", "yaml"}\n'
        'print("loaded", sorted(heavy & set(sys.modules)))'
    )
    assert python(code).stdout.endswith('loaded []\n')


@pytest.mark.parametrize('words', ['info', 'bench --frames 1', 'detect synthetic --frames 1'])
def test_the_vehicles_commands_work_without_torch_and_ros(
    words: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    code = (
        'import sys\n'
        'class Block:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        '        if name.split(".")[0] in ("torch", "rclpy", "sensor_msgs", "onnx"):\n'
        '            raise ModuleNotFoundError(name, name=name)\n'
        'sys.meta_path.insert(0, Block())\n'
        'from anomaly_seg_ros.cli.main import main\n'
        'sys.exit(main(sys.argv[1:]))'
    )
    arguments = words.split()
    arguments += [str(tiny_bundle)] if words == 'info' else ['--bundle', str(tiny_bundle)]
    if arguments[0] == 'detect':
        arguments += ['--out', str(tmp_path / 'out')]
    done = python(code, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('arguments', [[], ['nonsense'], ['info', '--nonsense'], ['--bundle']])
def test_wrong_usage_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert 'anomaly-seg' in capsys.readouterr().err


def failing(error: BaseException) -> object:
    class Module:
        @staticmethod
        def add_arguments(parser: object) -> None:
            """Take none."""

        @staticmethod
        def run(args: object) -> int:
            raise error

    return Module


@pytest.mark.parametrize(
    ('error', 'code', 'words'),
    [
        (AnomalySegError('one sentence'), 2, 'anomaly-seg: error: one sentence\n'),
        (KeyboardInterrupt(), 130, ''),
    ],
)
def test_errors_become_one_line(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(program, 'import_module', lambda name: failing(error))
    assert main(['info']) == code
    assert capsys.readouterr().err == words


def test_mistakes_of_the_program_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, 'import_module', lambda name: failing(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(['info'])


def test_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name='torch')

    monkeypatch.setattr(program, 'import_module', missing)
    assert main(['export']) == 2
    assert "anomaly-seg export needs the Python package 'torch'" in capsys.readouterr().err


def test_closed_pipe_is_no_error(tiny_bundle: Path) -> None:
    code = 'import sys; from anomaly_seg_ros.cli.main import main; sys.exit(main(sys.argv[1:]))'
    full = subprocess.Popen(
        [sys.executable, '-c', code, 'info', str(tiny_bundle)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert full.stdout is not None
    full.stdout.close()
    assert full.stderr is not None
    assert full.stderr.read() == b''
    assert full.wait(60) == 0
