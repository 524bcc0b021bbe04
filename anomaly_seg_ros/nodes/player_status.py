# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the player tells about a replay, as JSON in a latched std_msgs/String."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields

WAITING, PLAYING, FINISHED, FAILED = 'waiting', 'playing', 'finished', 'failed'


@dataclass(frozen=True)
class PlayerStatus:
    """The state of a replay.

    Args:
        state: ``'waiting'`` for subscribers, ``'playing'``, ``'finished'`` or ``'failed'``.
        mode: ``'realtime'`` or ``'lockstep'``.
        frames: Images that the bag holds and that will be played, per loop.
        sent: Images sent so far.
        lost: Images that nobody answered, in lock-step.
        topics: Topics that are played.
        per_frame: Topics among them with as many messages as there are images.
        error: Why the replay failed, '' otherwise.
    """

    state: str
    mode: str
    frames: int
    sent: int = 0
    lost: int = 0
    topics: list[str] = field(default_factory=list)
    per_frame: list[str] = field(default_factory=list)
    error: str = ''

    def to_json(self) -> str:
        """Return the status as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PlayerStatus | None:
        """Read a status; None when the text is another's."""
        try:
            content = json.loads(text)
            known = {f.name for f in fields(cls)}
            return cls(**{key: value for key, value in content.items() if key in known})
        except (ValueError, TypeError, AttributeError):
            return None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in (FINISHED, FAILED)
