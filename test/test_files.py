# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A file is whole or absent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from anomaly_seg_ros.files import atomic_path, sha256_file, write_json


def test_a_block_that_succeeds_puts_the_file_in_place(tmp_path: Path) -> None:
    target = tmp_path / 'new' / 'folder' / 'picture.png'
    with atomic_path(target) as temporary:
        assert temporary.suffix == '.png'
        assert temporary.parent == target.parent
        temporary.write_bytes(b'content')
        assert not target.exists()
    assert target.read_bytes() == b'content'
    assert list(target.parent.iterdir()) == [target]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / 'result.json'
    write_json(target, {'kept': True})

    def half_write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text('{"half":')
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_write()
    assert json.loads(target.read_text()) == {'kept': True}
    assert list(tmp_path.iterdir()) == [target]


def test_json_refuses_not_a_number_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='JSON'):
        write_json(tmp_path / 'x.json', float('nan'))
    assert list(tmp_path.iterdir()) == []


def test_the_hash_is_sha256_of_the_content(tmp_path: Path) -> None:
    file = tmp_path / 'data'
    file.write_bytes(b'abc' * 1_000_000)
    assert sha256_file(file) == hashlib.sha256(b'abc' * 1_000_000).hexdigest()
