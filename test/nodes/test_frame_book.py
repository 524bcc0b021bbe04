# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of equal stamps find each other; what finds none is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from anomaly_seg_ros.nodes.frame_book import FrameBook


@given(st.permutations([(kind, stamp) for kind in 'abc' for stamp in range(6)]))
def test_every_order_completes_every_frame_once(order: list[tuple[str, int]]) -> None:
    book = FrameBook('abc')
    complete = []
    for time, (kind, stamp) in enumerate(order):
        entry = book.add(kind, stamp, f'{kind}{stamp}'.encode(), float(time))
        if entry is not None:
            assert entry.messages == {k: f'{k}{stamp}'.encode() for k in 'abc'}
            complete.append(entry.stamp)
    assert sorted(complete) == list(range(6))
    assert (len(book), book.duplicates, sum(book.unmatched.values())) == (0, 0, 0)


def test_the_oldest_incomplete_frame_gives_way_and_is_counted() -> None:
    book = FrameBook(('a', 'b'), limit=3)
    for stamp in range(5):
        assert book.add('a', stamp, b'', 0.0) is None
    assert len(book) == 3
    assert book.unmatched == {'b': 2}
    assert book.add('b', 0, b'', 0.0) is None
    assert book.add('b', 4, b'', 0.0) is not None
    book.give_up()
    assert book.unmatched == {'b': 4}
    assert len(book) == 0


def test_optional_kinds_are_kept_and_do_not_complete() -> None:
    book = FrameBook(('a',))
    assert book.add('image', 1, b'', 2.5) is None
    entry = book.add('a', 1, b'x', 3.0)
    assert entry is not None
    assert entry.times == {'image': 2.5, 'a': 3.0}
    # A late optional message begins no new frame.
    assert book.add('image', 1, b'', 4.0) is None
    assert (len(book), book.duplicates) == (0, 0)


def test_duplicates_are_counted_and_change_nothing() -> None:
    book = FrameBook(('a', 'b'))
    book.add('a', 1, b'first', 0.0)
    book.add('a', 1, b'second', 1.0)
    entry = book.add('b', 1, b'', 2.0)
    assert entry is not None
    assert entry.messages['a'] == b'first'
    assert book.add('b', 1, b'', 3.0) is None
    assert book.duplicates == 2


def test_requirements_may_change_while_frames_wait() -> None:
    book = FrameBook(('a', 'b'))
    book.add('a', 1, b'', 0.0)
    book.add('a', 2, b'', 0.0)
    assert [entry.stamp for entry in book.require(('a',))] == [1, 2]
    assert book.require(('a', 'b', 'c')) == []
    assert len(book) == 0


def test_a_frame_that_lacks_only_some_kinds_is_noticed() -> None:
    book = FrameBook(('a', 'b', 'c'))
    book.add('a', 1, b'', 0.0)
    assert not book.waits_only_for(('c',))
    book.add('b', 1, b'', 0.0)
    assert book.waits_only_for(('c',))
    assert not book.waits_only_for(('a',))
