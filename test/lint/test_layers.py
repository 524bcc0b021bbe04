# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layers import downward only: the core knows neither ROS nor the lab, the vehicle no torch."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROS = {'rclpy', 'launch', 'launch_ros', 'cv_bridge', 'ament_index_python', 'rcl_interfaces'}
TORCH = {'torch', 'torchvision', 'timm', 'segmentation_models_pytorch', 'onnxscript'}
TORCH_FOLDERS = {'models', 'scores', 'detector', 'oodmc'}
TORCH_FILES = {
    ('engines', 'torch.py'),
    *(('refinement', f'{step}.py') for step in (
        'boundary', 'chain', 'dispatch', 'smoothing', 'standardise', 'vde',
    )),
}  # fmt: skip
LIGHT = (
    'errors', 'images', 'classes', 'bundle', 'engines', 'fusion', 'synthetic', 'render', 'metrics',
    'refinement', 'calibration', 'cleanup',
)  # fmt: skip


def _imports(path: Path, *, anywhere: bool) -> set[str]:
    """Return the names of the modules that a file imports; by default only when it is loaded."""
    tree = ast.parse(path.read_text('utf-8'))
    nodes = ast.walk(tree) if anywhere else _at_load(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module}
    return names


def _at_load(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        typing_only = isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.dump(node.test)
        if not typing_only and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
            yield from _at_load(node)


def _top(names: set[str]) -> set[str]:
    return {name.split('.')[0] for name in names}


def _core(repository: Path) -> list[Path]:
    root = repository / 'anomaly_seg_ros'
    return [path for path in root.rglob('*.py') if path.relative_to(root).parts[0] != 'nodes']


def test_the_core_never_imports_ros(repository: Path) -> None:
    core = _core(repository)
    assert len(core) > 20
    found = {str(p): _top(_imports(p, anywhere=True)) & ROS for p in core}
    assert {path: names for path, names in found.items() if names} == {}


def test_the_package_never_imports_the_lab(repository: Path) -> None:
    sources = sorted((repository / 'anomaly_seg_ros').rglob('*.py'))
    lab = [p for p in sources if 'anomaly_seg_training' in _top(_imports(p, anywhere=True))]
    assert lab == []


def test_torch_is_loaded_only_where_networks_are_made(repository: Path) -> None:
    root = repository / 'anomaly_seg_ros'
    found = {}
    for path in sorted(root.rglob('*.py')):
        parts = path.relative_to(root).parts
        if parts[0] not in TORCH_FOLDERS and parts not in TORCH_FILES:
            names = _imports(path, anywhere=False)
            inner = {f'anomaly_seg_ros.{folder}' for folder in TORCH_FOLDERS}
            heavy = _top(names) & TORCH | {
                name for name in names if any(name.startswith(i) for i in inner)
            }
            if heavy:
                found[str(path)] = heavy
    assert found == {}


@pytest.mark.parametrize('module', LIGHT)
def test_the_vehicle_side_loads_without_torch_and_ros(module: str) -> None:
    code = (
        'import sys\n'
        'for name in ("torch", "rclpy", "onnx", "timm", "lightning"): sys.modules[name] = None\n'
        f'import anomaly_seg_ros.{module}\n'
    )
    environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
