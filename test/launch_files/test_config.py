# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files in ``config/`` and the tables in the README say what the nodes do."""

from __future__ import annotations

import dataclasses
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

FASTDDS = '{http://www.eprosima.com}'


def _fields() -> dict[str, dataclasses.Field[Any]]:
    pytest.importorskip('rcl_interfaces')
    from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters

    return {field.name: field for field in dataclasses.fields(DetectorParameters)}


def _same(left: Any, right: Any) -> bool:
    both_nan = isinstance(left, float) and math.isnan(left) and math.isnan(right)
    return type(left) is type(right) and (both_nan or left == right)


def test_the_parameter_file_holds_every_parameter_with_its_default(repository: Path) -> None:
    content = yaml.safe_load((repository / 'config/detector.yaml').read_text('utf-8'))
    assert list(content) == ['/**'], 'a node of any name must find its parameters'
    written = content['/**']['ros__parameters']
    fields = _fields()
    assert list(written) == list(fields)
    wrong = {
        n: (v, fields[n].default) for n, v in written.items() if not _same(v, fields[n].default)
    }
    assert wrong == {}


def test_the_readme_lists_every_parameter_with_its_default(repository: Path) -> None:
    text = (repository / 'README.md').read_text('utf-8')
    section = text.split('### Parameters')[1].split('\n#')[0]
    rows = dict(re.findall(r'^\| `(\w+)` \| `([^`]*)` \|', section, re.MULTILINE))
    fields = _fields()
    assert list(rows) == list(fields)
    defaults = {n: f.default for n, f in fields.items()}
    assert {n: yaml.safe_load(value) for n, value in rows.items() if n != 'threshold'} == {
        n: default for n, default in defaults.items() if n != 'threshold'
    }
    assert math.isnan(yaml.safe_load(rows['threshold']))
    live = set(re.findall(r'^\| `(\w+)` \|.*\| live \|', section, re.MULTILINE))
    assert live == {n for n, f in fields.items() if f.metadata['used'] == 'live'}


def test_the_fast_dds_profile_carries_large_images_over_shared_memory(repository: Path) -> None:
    root = ET.parse(repository / 'config/fastdds_large_images.xml').getroot()
    transports = {
        node.findtext(f'{FASTDDS}type'): node
        for node in root.iter(f'{FASTDDS}transport_descriptor')
    }
    assert set(transports) == {'SHM', 'UDPv4'}
    segment = int(transports['SHM'].findtext(f'{FASTDDS}segment_size') or 0)
    assert segment >= 64 * 2**20
    (participant,) = root.iter(f'{FASTDDS}participant')
    assert participant.get('is_default_profile') == 'true'
    used = {node.text for node in participant.iter(f'{FASTDDS}transport_id')}
    assert used == {node.findtext(f'{FASTDDS}transport_id') for node in transports.values()}


def test_rviz_shows_topics_that_exist(repository: Path) -> None:
    content = yaml.safe_load((repository / 'config/overlay.rviz').read_text('utf-8'))
    displays = content['Visualization Manager']['Displays']
    topics = {display['Name']: display['Topic']['Value'] for display in displays}
    readme = (repository / 'README.md').read_text('utf-8')
    documented = set(re.findall(r'^\| `~/(\w+)` \|', readme, re.MULTILINE))
    assert {'overlay', 'anomaly_score', 'anomaly_mask', 'labels'} <= documented
    for topic in topics.values():
        assert topic == '/camera/image' or topic.removeprefix('/detector/') in documented
    assert len(displays) >= 3
    assert all(display['Class'] == 'rviz_default_plugins/Image' for display in displays)
