# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build the package with colcon (ament_python) or with pip."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup
from setuptools.command.develop import develop
from setuptools.command.install_scripts import install_scripts

NAME = 'anomaly_seg_ros'
COMMAND_LINE = 'anomaly-seg'
ROOT = Path(__file__).resolve().parent
VERSION = re.search(r"__version__ = '(.+)'", (ROOT / NAME / '__init__.py').read_text('utf-8'))[1]


class InstallScripts(install_scripts):
    """Install the command line to ``bin/``: ROS takes all of ``lib/<package>/`` for nodes."""

    def write_script(self, script_name: str, *args: Any, **options: Any) -> None:
        """Write one script; setuptools asks for each by its name."""
        nodes = self.install_dir
        if script_name == COMMAND_LINE:
            self.install_dir = _beside_lib(nodes)
        try:
            super().write_script(script_name, *args, **options)
        finally:
            self.install_dir = nodes


class Develop(develop):
    """The same for ``colcon build --symlink-install``."""

    def write_script(self, script_name: str, *args: Any, **options: Any) -> None:
        """Write one script; setuptools asks for each by its name."""
        nodes = self.script_dir
        if script_name == COMMAND_LINE:
            self.script_dir = _beside_lib(nodes)
        try:
            super().write_script(script_name, *args, **options)
        finally:
            self.script_dir = nodes


def _beside_lib(directory: str) -> str:
    """Return ``<prefix>/bin`` for ``<prefix>/lib/<package>``, any other directory unchanged."""
    head, last = os.path.split(os.path.normpath(directory))
    return os.path.join(os.path.dirname(head), 'bin') if last == NAME else directory


def _files(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern) if path.is_file())


setup(
    name=NAME,
    version=VERSION,
    description='Find what a segmentation network has never been taught, on ROS 2',
    long_description=(ROOT / 'README.md').read_text('utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    author='The anomaly_seg_ros authors',
    maintainer='The anomaly_seg_ros maintainers',
    maintainer_email='anomaly-seg-ros@example.com',
    keywords=['ROS', 'semantic segmentation', 'anomaly detection', 'out of distribution'],
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'bundles/*/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml', 'LICENSE']),
        (f'share/{NAME}/launch', _files('launch/*.launch.py')),
        (f'share/{NAME}/config', _files('config/*')),
    ],
    zip_safe=False,
    install_requires=[
        'numpy>=1.22',
        'onnxruntime>=1.15',
        'opencv-python-headless>=4.8',
        'pyyaml>=5.4',
        'rosbags>=0.10',
        'tqdm>=4.57',
    ],
    extras_require={
        # Real rclpy on machines without a ROS distribution.
        'ros-wheels': [
            'ros-kilted-diagnostic-msgs',
            'ros-kilted-rclpy',
            'ros-kilted-rmw-fastrtps-cpp',
            'ros-kilted-sensor-msgs',
            'ros-kilted-std-srvs',
        ],
        # Other architectures than the default bundle's, the torch engine, export to ONNX.
        'torch': [
            'onnx>=1.16',
            'onnxscript>=0.1',
            'safetensors>=0.4',
            'torch>=2.6',
            'torchvision>=0.21',
        ],
        'models': ['segmentation-models-pytorch>=0.4', 'timm>=1.0'],
        'transformers': ['transformers>=4.40'],
        'test': [
            'hypothesis>=6.60',
            'playwright>=1.49',
            'pytest>=7,<9',
            'pytest-xdist>=3',
            'scikit-learn>=1.2',
        ],
        'lint': ['mypy>=1.11', 'ruff>=0.12', 'types-PyYAML', 'types-tqdm'],
        'docs': ['mkdocs>=1.6,<2', 'mkdocs-material>=9.5'],
    },
    cmdclass={'install_scripts': InstallScripts, 'develop': Develop},
    entry_points={
        'console_scripts': [
            f'detector = {NAME}.nodes.detector:main',
            f'evaluator = {NAME}.nodes.evaluator:main',
            f'player = {NAME}.nodes.player:main',
            f'{COMMAND_LINE} = {NAME}.cli.main:main',
        ],
    },
)
