"""How long the engine waits for what, in seconds. Tests shorten them."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """``connect_s``: until a started worker must listen. ``silent_s``: without a sign of life before a worker counts as hung
    (imports of large native libraries hold it for seconds). ``stuck_s``: signs of life but no step. ``stop_s``: after "stop
    now" before it is ended by force. ``grace_s``: between asking and killing. ``tick_s``: how often all of this is looked at.
    """

    connect_s: float = 30.0
    silent_s: float = 30.0
    stuck_s: float = 900.0
    stop_s: float = 30.0
    grace_s: float = 2.0
    tick_s: float = 0.5
    scan_s: float = 3.0
