"""When the frames of an animation are shown: only such durations as browsers play as they are written.

GIF counts hundredths of a second, and browsers show frames of less than 20 ms for a tenth of a second; those of WebP and APNG
from 10 ms down. Frames that come too soon after the one before are left out, so that the speed is right whatever the rate.
"""

from __future__ import annotations

#: format -> (unit, shortest duration) in ms
_GRAINS = {"gif": (10, 20), "webp": (1, 11), "apng": (1, 11)}


def schedule(count: int, fps: int, last_s: float, format: str) -> tuple[list[int], list[int]]:
    """Which of ``count`` frames to show, in order and the last always among them, and each one's duration in ms; the last is
    shown for ``last_s`` s. Rounding errors do not add up."""
    unit, shortest = _GRAINS[format]
    shown, starts = [0], [0]
    for frame in range(1, count):
        start = unit * round(1000 * frame / fps / unit)
        if start - starts[-1] >= shortest:
            shown.append(frame)
            starts.append(start)
    shown[-1] = count - 1
    ends = [*starts[1:], starts[-1] + max(shortest, unit * round(1000 * last_s / unit))]
    return shown, [end - start for start, end in zip(starts, ends)]


def left_out(fps: int, format: str) -> str:
    """What is to be said of a rate that the format cannot hold; "" where it can."""
    shortest = _GRAINS.get(format, (1, 0))[1]
    if fps * shortest <= 1000:
        return ""
    most = 1000 // shortest
    return f"browsers play at most {most} frames a second of a {format.upper()}: some steps are left out, the speed stays right"
